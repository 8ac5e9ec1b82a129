"""``kill -9`` between any two steps of an attach (F4), and in the middle of a sweep (F8).

The server is stopped where it waits: for S3, whose requests or answers the proxy holds, or for the
database, which somebody else has locked. Nothing in the service knows of these tests.

    ── GET ──▶ ── claim ──▶ ── COPY, COPY ──▶ ── commit ──▶ ── DELETE ──▶ 201

Two posts are under way at each kill. One client sends its request again as the contract says; the
other never comes back, and the sweep clears what it left.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from e2e.faults.backstage import Backstage
from e2e.faults.phone import Phone
from e2e.faults.rig import HOUR, Rig

pytestmark = pytest.mark.slow

#: Seconds in which a server that was answered by S3 has come to wait for the database.
STEP: Final = 0.3

Stop = Callable[[Rig, ExitStack, int], Callable[[], None]]


@dataclass(frozen=True)
class Point:
    """Where the server dies: how it is brought to wait there, and what it must have left."""

    name: str
    #: Prepares for so many posts; what it returns returns once they all wait at the point.
    prepare: Stop
    #: The state of both pictures' rows in the ledger, if there are rows.
    state: str | None
    #: How many of a post's two pictures are in the media bucket,
    copied: int
    #: and how many in the incoming bucket still.
    incoming: int = 2

    @property
    def committed(self) -> bool:
        return self.state == "attached"


def _at_s3(operation: str, *, answered: bool, requests: int) -> Stop:
    """Hold this many requests of each post, or their answers."""

    def prepare(rig: Rig, stack: ExitStack, posts: int) -> Callable[[], None]:
        gate = stack.enter_context(rig.proxy.holding(operation, answered=answered))
        return lambda: gate.wait_for(posts * requests)

    return prepare


def _at_claim(rig: Rig, stack: ExitStack, posts: int) -> Callable[[], None]:
    stack.enter_context(rig.ledger.locked())
    inspected = stack.enter_context(rig.proxy.holding("GetObject", answered=True))

    def wait() -> None:
        inspected.wait_for(2 * posts)
        inspected.open()
        time.sleep(STEP)

    return wait


def _at_commit(rig: Rig, stack: ExitStack, posts: int) -> Callable[[], None]:
    copied = stack.enter_context(rig.proxy.holding("CopyObject", answered=True))

    def wait() -> None:
        copied.wait_for(2 * posts)
        stack.enter_context(rig.ledger.locked())
        copied.open()
        time.sleep(STEP)

    return wait


POINTS: Final = (
    Point("before inspecting", _at_s3("GetObject", answered=False, requests=2), None, 0),
    Point("while inspecting", _at_s3("GetObject", answered=True, requests=2), None, 0),
    Point("before the claim commits", _at_claim, None, 0),
    Point("before copying", _at_s3("CopyObject", answered=False, requests=2), "promoting", 0),
    Point("after copying", _at_s3("CopyObject", answered=True, requests=2), "promoting", 2),
    Point("before the commit", _at_commit, "promoting", 2),
    Point("before discarding", _at_s3("DeleteObjects", answered=False, requests=1), "attached", 2),
    Point("after discarding", _at_s3("DeleteObjects", answered=True, requests=1), "attached", 2, 0),
)


@pytest.fixture(autouse=True)
def _served(rig: Rig) -> None:
    rig.serve(workers=1)


@contextmanager
def under_way(*posts: tuple[Phone, list[str]]) -> Iterator[None]:
    """Posts being created when the context begins; nobody hears an answer from a dead server."""
    with ThreadPoolExecutor(len(posts)) as pool:
        answers = [pool.submit(phone.post, *keys) for phone, keys in posts]
        yield
        for answer in answers:
            with pytest.raises(httpx.TransportError):
                answer.result()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name.replace(" ", "_"))
def test_a_server_killed_anywhere_loses_nothing_and_leaves_nothing(
    rig: Rig, phone: Phone, point: Point
) -> None:
    """F4: S1 and S8 hold, the client may try again, the sweep clears the rest."""
    lost = rig.phone()
    keys, lost_keys = phone.upload(number=2), lost.upload(number=2)
    with ExitStack() as stack:
        reached = point.prepare(rig, stack, 2)
        with under_way((phone, keys), (lost, lost_keys)):
            reached()
            rig.kill()
    rig.serve(workers=1)

    for each, its_keys in ((phone, keys), (lost, lost_keys)):
        rig.assert_sound(each, its_keys)
        states = [row.state for row in rig.ledger.rows(its_keys).values()]
        assert states == ([point.state] * 2 if point.state else [])
        assert len(rig.in_media(its_keys)) == point.copied
        assert len(rig.in_incoming(its_keys)) == point.incoming
        assert len(rig.ledger.references(its_keys)) == (2 if point.committed else 0)
    assert_client_can_go_on(rig, phone, keys, point)
    assert_sweep_clears(rig, lost, lost_keys, point)


def assert_client_can_go_on(rig: Rig, phone: Phone, keys: list[str], point: Point) -> None:
    answer = phone.post(*keys)
    if point.committed:
        # The 201 was lost, not the record; a rollback cannot hurt it.
        assert (answer.status_code, code(answer)) == (409, "attached")
        answer = phone.roll_back(*keys)
        assert (answer.status_code, code(answer)) == (409, "attached")
    elif point.state:
        assert (answer.status_code, code(answer)) == (409, "attaching")
        assert int(answer.headers["Retry-After"]) > 0
        rig.ledger.age(60, keys)  # a lease's length, and the row may be taken over
        assert phone.post(*keys).status_code == 201
    else:
        assert answer.status_code == 201, answer.text
    rig.assert_sound(phone, keys)
    assert set(rig.ledger.references(keys)) == set(keys)
    assert rig.in_incoming(keys) == set()
    rig.assert_nothing_left(phone, keys)


def assert_sweep_clears(rig: Rig, phone: Phone, keys: list[str], point: Point) -> None:
    rig.settle()
    rig.assert_sound(phone, keys)
    answer = phone.roll_back(*keys)
    if point.committed:
        assert (answer.status_code, code(answer)) == (409, "attached")
        assert rig.in_media(keys) == set(keys)
    else:
        assert answer.status_code == 204
        assert rig.in_media(keys) == set()
        # What was rolled back stays away.
        assert phone.post(*keys).status_code == 400
    assert rig.in_incoming(keys) == set()
    rig.assert_nothing_left(phone, keys)


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["errors"][0]["code"]
    return found


@pytest.mark.parametrize("comes_back", [True, False], ids=["client_retries", "sweep_clears"])
def test_a_server_killed_between_two_copies_leaves_nothing(
    rig: Rig, phone: Phone, comes_back: bool
) -> None:
    keys = phone.upload(number=2)
    hold = rig.proxy.holding("CopyObject", after=1)
    with hold as gate, under_way((phone, keys)):
        gate.wait_for(1)
        rig.kill()
    rig.serve(workers=1)

    rig.assert_sound(phone, keys)
    assert len(rig.in_media(keys)) == 1
    assert rig.ledger.references(keys) == []
    go_on = assert_client_can_go_on if comes_back else assert_sweep_clears
    go_on(rig, phone, keys, Point("between copies", _at_claim, "promoting", 1))


def test_a_copy_that_arrives_after_its_server_died_and_the_sweep_came_by_does_not_stay(
    rig: Rig, phone: Phone
) -> None:
    """S8: why every object is deleted twice."""
    keys = phone.upload()
    with rig.proxy.holding("CopyObject") as gate:
        with under_way((phone, keys)):
            gate.wait_for(1)
            rig.kill()
        rig.serve(workers=1)
        rig.ledger.age(HOUR, keys)
        assert rig.backstage.sweep()["deleted"] == 1
        gate.open()
        deadline = time.monotonic() + 5
        while not rig.in_media(keys) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert rig.in_media(keys) == set(keys)
    rig.assert_sound(phone, keys)

    rig.ledger.age(HOUR, keys)
    assert rig.backstage.sweep()["confirmed"] == 1

    assert rig.in_media(keys) == set()
    assert [row.state for row in rig.ledger.rows(keys).values()] == ["deleted"]


@pytest.mark.parametrize("answered", [False, True], ids=["before_deleting", "after_deleting"])
def test_a_sweep_killed_in_the_middle_is_made_good_by_the_next(
    rig: Rig, phone: Phone, answered: bool
) -> None:
    """F8"""
    rig.settle()
    keys = phone.upload(number=5)
    post = phone.post(*keys).json()
    assert phone.call("DELETE", f"/posts/{post['id']}/").status_code == 204
    doomed = Backstage(rig.env)
    with (
        ThreadPoolExecutor(1) as pool,
        rig.proxy.holding("DeleteObjects", answered=answered) as gate,
    ):
        sweeping = pool.submit(doomed.sweep)
        gate.wait_for(1)
        doomed.kill()
        with pytest.raises(ValueError, match="Expecting value"):
            sweeping.result()
    assert rig.in_media(keys) == (set() if answered else set(keys))
    assert {row.state for row in rig.ledger.rows(keys).values()} == {"deleting"}
    # It had noted that a delete is about to be sent, so for a while nobody sends another.
    assert rig.backstage.sweep()["deleted"] == 0

    rig.ledger.age(20, keys)
    assert rig.backstage.sweep()["deleted"] == 5

    rig.assert_nothing_left(phone, keys)
