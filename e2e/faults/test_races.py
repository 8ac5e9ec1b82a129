"""Two requests at the same moment, over and over: at most one wins, and nothing is lost.

``RACE_ROUNDS`` is how often each runs against the other. PostgreSQL is where it counts: SQLite has
one writer at a time. After each round the ledger and both buckets are looked at.
"""

import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Final

import httpx
import pytest

from e2e.faults.backstage import Backstage
from e2e.faults.phone import PICTURES, PROFILES, Phone
from e2e.faults.rig import HOUR, Rig
from sign_s3.keys import MEDIA_PREFIX, new_id

ROUNDS: Final = int(os.environ.get("RACE_ROUNDS", "5"))
#: Each starts up to so many seconds late, by chance, so that rounds meet at different steps: from
#: the same instant to one request's length.
JITTERS: Final = (0.0, 0.002, 0.01, 0.04)
#: Seconds that attaching a few pictures takes, about.
ATTACH: Final = 0.06
#: Rows due at once for the sweeps that race: several batches of 1,000.
DUE: Final = 2500
#: Those of them that have an object.
STORED: Final = 100


class Arena:
    """Runs deeds at the same moment, again and again."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def race(self, *deeds: Callable[[], httpx.Response]) -> list[httpx.Response]:
        """Their answers, in their order; none is an error of the server's."""
        barrier = threading.Barrier(len(deeds))
        jitter = random.choice(JITTERS)

        def start(deed: Callable[[], httpx.Response]) -> httpx.Response:
            barrier.wait()
            time.sleep(random.uniform(0, jitter))
            return deed()

        answers = list(self._pool.map(start, deeds))
        for answer in answers:
            # 503 is for whoever finds all places taken that wait for S3.
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
        return answers


def later(deed: Callable[[], httpx.Response]) -> Callable[[], httpx.Response]:
    """Gives the others a start by chance, of up to an attach's length: it has less to do."""

    def start() -> httpx.Response:
        time.sleep(random.uniform(0, ATTACH))
        return deed()

    return start


def statuses(answers: list[httpx.Response]) -> tuple[int, ...]:
    return tuple(answer.status_code for answer in answers)


@pytest.fixture(autouse=True)
def _served(rig: Rig) -> None:
    rig.serve(workers=2)


@pytest.fixture
def arena() -> Iterator[Arena]:
    with ThreadPoolExecutor(8) as pool:
        yield Arena(pool)


@pytest.fixture
def tally() -> Iterator["Counter[object]"]:
    """How often each outcome came, printed with ``-s``."""
    counted: Counter[object] = Counter()
    yield counted
    print(dict(counted))


def test_one_upload_is_attached_to_one_post(
    rig: Rig, phone: Phone, arena: Arena, tally: "Counter[object]"
) -> None:
    """A9, S2: both posts name one key; other keys they name go with them."""
    seen = []
    for _ in range(ROUNDS):
        shared, mine, yours = keys = phone.upload(number=3)
        answers = arena.race(
            lambda: phone.post(mine, shared),  # noqa: B023
            lambda: phone.post(shared, yours),  # noqa: B023
        )
        tally[statuses(answers)] += 1
        assert statuses(answers).count(201) <= 1
        assert set(statuses(answers)) <= {201, 400, 409}
        rig.assert_sound(phone, keys)
        assert len(rig.ledger.references([shared])) == statuses(answers).count(201)
        seen += keys
    rig.assert_nothing_left(phone, seen)


def test_one_upload_is_a_profile_image_or_another_persons_nothing(
    rig: Rig, phone: Phone, arena: Arena, tally: "Counter[object]"
) -> None:
    """A8, A9: the owner sets it twice at once; a stranger who names it gets nothing of it."""
    stranger = rig.phone()
    for _ in range(ROUNDS):
        (key,) = phone.upload(PROFILES)
        body = {"profile_image": key}
        answers = arena.race(
            lambda: phone.call("PATCH", "/users/me/", body),  # noqa: B023
            lambda: phone.call("PATCH", "/users/me/", body),  # noqa: B023
            lambda: stranger.call("PATCH", "/users/me/", body),  # noqa: B023
            lambda: stranger.roll_back(key),  # noqa: B023
        )
        *owner, theirs, rollback = statuses(answers)
        tally[*sorted(owner), theirs, rollback] += 1
        # 503 is for the fourth that would wait for S3 in one process.
        assert set(owner) <= {200, 400, 409, 503}
        assert theirs in {400, 503}
        assert rollback in {404, 503}
        rig.assert_sound(phone, [key])


def test_an_upload_is_attached_or_rolled_back(
    rig: Rig, phone: Phone, arena: Arena, tally: "Counter[object]"
) -> None:
    """A9, S4: both may be refused; a rollback that said 204 is never followed by a commit."""
    seen = []
    for _ in range(ROUNDS):
        keys = phone.upload(number=2)
        answers = arena.race(
            lambda: phone.post(*keys),  # noqa: B023
            later(lambda: phone.roll_back(*keys)),  # noqa: B023
        )
        tally[statuses(answers)] += 1
        assert statuses(answers) in {(201, 409), (400, 204), (400, 409)}
        rig.assert_sound(phone, keys)
        assert bool(rig.ledger.references(keys)) == (answers[0].status_code == 201)
        assert rig.in_incoming(keys) == set()
        seen += keys
    rig.assert_nothing_left(phone, seen)


def test_an_ended_lease_is_taken_over_or_swept(
    rig: Rig, phone: Phone, arena: Arena, tally: "Counter[object]"
) -> None:
    """S4, S5: an attach that died long ago is sent again as the sweep expires it."""
    rig.settle()
    seen = []
    for _ in range(ROUNDS):
        keys = phone.upload(number=2)
        for key in keys:
            rig.ledger.run(
                "INSERT INTO sign_s3_mediaobject (key, owner, etag, content_type, size, state,"
                " token, lease_until, attempts, deletes_sent, created_at)"
                " VALUES (%s, %s, %s, 'image/png', 1, 'promoting', %s, CURRENT_TIMESTAMP, 0, 0,"
                " CURRENT_TIMESTAMP)",
                *(key, phone.account.id, f'"{phone.etags[key]}"', "0" * 32),
            )
        rig.ledger.age(HOUR, keys)
        swept: list[dict[str, int]] = []

        def sweep() -> httpx.Response:
            swept.append(rig.backstage.sweep())  # noqa: B023
            return httpx.Response(200)

        answers = arena.race(lambda: phone.post(*keys), later(sweep))  # noqa: B023
        tally[answers[0].status_code, swept[0]["expired"]] += 1
        assert answers[0].status_code in {201, 400, 409}
        # The post took both rows over, or the sweep took one of them and the post none.
        states = {row.state for row in rig.ledger.rows(keys).values()}
        assert (answers[0].status_code == 201) == (states == {"attached"})
        assert (answers[0].status_code == 201) != ("deleting" in states)
        rig.assert_sound(phone, keys)
        seen += keys
    rig.assert_nothing_left(phone, seen)


def test_a_post_is_changed_or_deleted_and_its_files_follow(
    rig: Rig, phone: Phone, arena: Arena, tally: "Counter[object]"
) -> None:
    seen = []
    for _ in range(ROUNDS):
        old, kept, new = keys = phone.upload(number=3)
        url = f"/posts/{phone.post(old, kept).json()['id']}/"
        answers = arena.race(
            later(lambda: phone.call("DELETE", url)),  # noqa: B023
            lambda: phone.call("PATCH", url, {"images": [kept, new]}),  # noqa: B023
        )
        tally[statuses(answers)] += 1
        assert answers[0].status_code == 204
        # 400: it was deleted after the change had found it, so its pictures are gone as well.
        assert answers[1].status_code in {200, 400, 404}
        rig.assert_sound(phone, keys)
        assert rig.ledger.references(keys) == []
        assert phone.call("GET", url).status_code == 404
        seen += keys
    rig.assert_nothing_left(phone, seen)


def test_two_changes_of_one_post_take_turns(
    rig: Rig, phone: Phone, arena: Arena, tally: "Counter[object]"
) -> None:
    """The post holds what one of them asked for; a picture the earlier one dropped is gone."""
    seen = []
    for _ in range(ROUNDS):
        kept, dropped, mine, yours = keys = phone.upload(number=4)
        url = f"/posts/{phone.post(kept, dropped).json()['id']}/"
        wishes = [kept, mine], [yours, kept, dropped]
        answers = arena.race(
            lambda: phone.call("PATCH", url, {"images": wishes[0]}),  # noqa: B023
            lambda: phone.call("PATCH", url, {"images": wishes[1]}),  # noqa: B023
        )
        tally[statuses(answers)] += 1
        assert statuses(answers) in {(200, 200), (200, 409), (409, 200), (200, 400)}
        held = [image["key"] for image in phone.call("GET", url).json()["images"]]
        assert held in wishes
        rig.assert_sound(phone, keys)
        assert sorted(rig.ledger.references(keys)) == sorted(held)
        seen += keys
    rig.assert_nothing_left(phone, seen)


def test_an_account_goes_with_everything_that_is_just_being_added_to_it(
    rig: Rig, arena: Arena, tally: "Counter[object]"
) -> None:
    """A post is made, another gets a picture, the profile gets one, and the account goes."""
    seen = []
    for _ in range(ROUNDS):
        phone = rig.phone()
        first, old, new = phone.upload(number=3)
        (face,) = phone.upload(PROFILES)
        keys = [first, old, new, face]
        url = f"/posts/{phone.post(old).json()['id']}/"
        answers = arena.race(
            later(lambda: phone.call("DELETE", "/users/me/")),  # noqa: B023
            lambda: phone.post(first),  # noqa: B023
            lambda: phone.call("PATCH", url, {"images": [old, new]}),  # noqa: B023
            lambda: phone.call("PATCH", "/users/me/", {"profile_image": face}),  # noqa: B023
        )
        deleted, posted, changed, pictured = statuses(answers)
        tally[deleted, posted, changed, pictured] += 1
        assert deleted == 204
        assert posted in {201, 401}
        assert changed in {200, 400, 401, 404}
        assert pictured in {200, 401, 404}
        rig.assert_sound(phone, keys)
        assert rig.ledger.references(keys) == []
        phone.http.close()
        seen += keys
    rig.settle()
    assert rig.in_media(seen) == set()


def deleting(rig: Rig, number: int) -> list[str]:
    """This many rows due for deletion, some with an object."""
    keys = [f"images/posts/post_{new_id()}.png" for _ in range(number)]
    for start in range(0, number, 100):
        batch = keys[start : start + 100]
        row = "(%s, 'nobody', '', 'image/png', 1, 'deleting', 0, 0, {now}, {now})"
        rows = ", ".join([row.format(now="CURRENT_TIMESTAMP")] * len(batch))
        rig.ledger.run(
            "INSERT INTO sign_s3_mediaobject (key, owner, etag, content_type, size, state,"
            f" attempts, deletes_sent, due_at, created_at) VALUES {rows}",
            *batch,
        )
    rig.ledger.age(1, keys)
    for key in keys[:STORED]:
        rig.s3.put_object(Bucket=rig.store.media, Key=MEDIA_PREFIX + key, Body=PICTURES[0])
    return keys


def deletes_sent(rig: Rig) -> "Counter[str]":
    """How often each key was named in a DeleteObjects request that the proxy saw."""
    return Counter(
        key.decode()
        for operation, body in rig.proxy.seen
        if operation == "DeleteObjects"
        for key in re.findall(rb"<Key>media/(.*?)</Key>", body)
    )


@pytest.fixture
def sweepers(rig: Rig) -> Iterator[list[Backstage]]:
    """Four processes that sweep."""
    with ExitStack() as stack:
        made = []
        for _ in range(4):
            sweeper = Backstage(rig.env)
            stack.callback(sweeper.close)
            made.append(sweeper)
        yield made


def test_sweeps_at_once_share_the_work_and_send_each_delete_once(
    rig: Rig, sweepers: list[Backstage]
) -> None:
    """F8"""
    rig.settle()
    keys = deleting(rig, DUE)
    for done in ("deleted", "confirmed", "purged"):
        rig.proxy.seen.clear()
        with ThreadPoolExecutor(len(sweepers)) as pool:
            swept = list(pool.map(lambda sweeper: sweeper.sweep(), sweepers))
        assert sum(run[done] for run in swept) == DUE, swept
        assert sum(sum(run.values()) for run in swept) == DUE, swept
        if done != "purged":
            assert deletes_sent(rig) == Counter(keys)
            assert sum(run[done] > 0 for run in swept) > 1, "one of them did it all"
        rig.ledger.age(8 * 24 * HOUR, keys)
    assert rig.in_media(keys[:STORED]) == set()
    assert rig.ledger.run("SELECT COUNT(*) FROM sign_s3_mediaobject WHERE owner = 'nobody'") == [
        (0,)
    ]


@pytest.mark.postgres
def test_a_sweep_waits_for_nobody(rig: Rig) -> None:
    """Rows that another transaction holds are left to it; all others are swept at once."""
    rig.settle()
    keys = deleting(rig, DUE)
    held = keys[::2]
    with closing(rig.ledger.connect()) as other:
        # A sweep that waited would get its way once PostgreSQL loses patience, and delete them all.
        other.execute("SET idle_in_transaction_session_timeout = '15s'")
        other.execute("BEGIN")
        other.execute("SELECT FROM sign_s3_mediaobject WHERE key = ANY(%s) FOR UPDATE", [held])

        assert rig.backstage.sweep()["deleted"] == DUE - len(held)

    assert rig.backstage.sweep()["deleted"] == len(held)

    rig.settle()
    assert {row.state for row in rig.ledger.rows(keys).values()} == {"deleted"}
