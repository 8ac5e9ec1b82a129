"""Attach, one failure at a time: what the caller is told, what stays, and that trying again works.

`sign_s3.tests.test_protocol` tries the same steps in every order.
"""

from collections.abc import Callable, Iterator

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from local.pictures import picture
from sign_s3.bucket import BucketUnavailable
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.attach import CACHE_CONTROL, PUBLIC_CACHE_CONTROL, Upload, attach
from sign_s3.services.errors import UploadsInUse, UploadsRefused
from sign_s3.storage import incoming_bucket, media_bucket
from sign_s3.tests.app.factories import a_key, in_the_ledger
from sign_s3.tests.app.models import COVERS, PHOTOS, Photo
from sign_s3.tests.protocol.store import Answer, Call, Cut, MemoryS3, unavailable
from sign_s3.tests.protocol.world import World

pytestmark = pytest.mark.django_db

PICTURE = picture("JPEG", 8, 6)
#: An attach is stepped twice for each call: GetObject takes effect, and its answer leads to the
#: claim; CopyObject takes effect, and its answer leads to the commit.
CLAIMED, COPIED = 2, 3
Fault = Callable[[MemoryS3, Call], Answer]


@pytest.fixture(autouse=True)
def store(memory_s3: MemoryS3) -> MemoryS3:
    return memory_s3


def uploaded(key: str | None = None, *, owner: str = "alice", data: bytes = PICTURE) -> str:
    key = key or a_key()
    incoming_bucket().put(object_key(key), data, {"userid": owner}, content_type="image/jpeg")
    return key


def attached(*keys: str, owner: str = "alice") -> int:
    """Attach them to photos in one go; how many there are."""

    def save(_: object) -> int:
        return len([Photo.objects.create(image=key) for key in keys])

    wanted = [Upload(key, PHOTOS, f"images.{place}") for place, key in enumerate(keys)]
    return attach(owner=owner, uploads=wanted, save=save)


def problems(caught: pytest.ExceptionInfo[UploadsRefused]) -> list[tuple[str, str]]:
    return [(problem.attr, problem.code) for problem in caught.value.problems]


def states() -> list[tuple[str, str]]:
    return sorted(MediaObject.objects.values_list("key", "state"))


def nothing_is_held() -> bool:
    return not Photo.objects.exists()


def in_media() -> list[str]:
    return [info.key for info in media_bucket().list()]


# ------------------------------------------------------------------ how it goes


def test_an_upload_moves_to_media_and_its_facts_to_the_ledger() -> None:
    key = uploaded()
    assert attached(key) == 1
    row = MediaObject.objects.values().get()
    assert row == {
        "id": row["id"],
        "key": key,
        "owner": "alice",
        "etag": media_bucket().stat(object_key(key)).etag,
        "content_type": "image/jpeg",
        "size": len(PICTURE),
        "width": 8,
        "height": 6,
        "state": "attached",
        "token": None,
        "lease_until": None,
        "due_at": None,
        "attempts": 0,
        "deletes_sent": 0,
        "created_at": row["created_at"],
        "attached_at": row["attached_at"],
    }
    assert Photo.objects.get().image.name == key
    assert media_bucket().get(object_key(key)) == (PICTURE, {"userid": "alice"})
    assert not list(incoming_bucket().list())


def test_it_takes_one_call_of_each_kind(store: MemoryS3) -> None:
    key = uploaded()
    store.calls.clear()
    attached(key)
    assert [call.operation for call in store.calls] == ["GetObject", "CopyObject", "DeleteObjects"]


def test_served_headers_follow_the_destination(store: MemoryS3) -> None:
    for destination, cached in ((PHOTOS, CACHE_CONTROL), (COVERS, PUBLIC_CACHE_CONTROL)):
        key = uploaded(a_key(destination))
        attach(owner="alice", uploads=[Upload(key, destination, "key")], save=lambda _: None)
        headers = next(iter(store.buckets[media_bucket().name].values())).headers
        assert headers["cache-control"] == cached
        assert headers["content-disposition"] == "inline"
        store.buckets[media_bucket().name].clear()


def test_a_record_without_uploads_asks_nobody(store: MemoryS3) -> None:
    assert attach(owner="alice", uploads=[], save=lambda _: "saved") == "saved"
    assert store.calls == []


# ------------------------------------------------------------------ all or nothing


def test_one_upload_that_is_not_there_holds_back_all() -> None:
    here, missing = uploaded(), a_key()
    with pytest.raises(UploadsRefused) as caught:
        attached(here, missing)
    assert problems(caught) == [("images.1", "not_uploaded")]
    assert states() == []
    assert in_media() == []
    assert nothing_is_held()


def test_one_upload_that_is_taken_holds_back_all() -> None:
    taken, free = uploaded(), uploaded()
    attached(taken)
    uploaded(taken)
    with pytest.raises(UploadsInUse) as caught:
        attached(free, taken)
    assert problems(caught) == [("images.1", "attached")]
    assert states() == [(taken, "attached")]


def test_one_copy_that_fails_holds_back_all_until_it_is_tried_again(store: MemoryS3) -> None:
    first, second = uploaded(), uploaded()
    store.intercept = failing_once(store, "CopyObject", refused, key=second)
    with pytest.raises(BucketUnavailable):
        attached(first, second)
    assert nothing_is_held()
    assert attached(first, second) == 2
    assert states() == sorted([(first, "attached"), (second, "attached")])


def test_a_key_twice_is_refused_before_anything_is_asked(store: MemoryS3) -> None:
    key = a_key()
    with pytest.raises(UploadsRefused) as caught:
        attached(key, key)
    assert problems(caught) == [("images.1", "repeated")]
    assert store.calls == []


# ------------------------------------------------------------------ whose it is, and in what state


def test_a_strangers_upload_does_not_exist() -> None:
    key = uploaded(owner="bob")
    with pytest.raises(UploadsRefused) as caught:
        attached(key)
    assert problems(caught) == [("images.0", "not_uploaded")]


def test_a_strangers_row_does_not_exist_either() -> None:
    key = in_the_ledger(state=State.PROMOTING, owner="bob")
    uploaded(key)
    with pytest.raises(UploadsRefused) as caught:
        attached(key)
    assert problems(caught) == [("images.0", "not_uploaded")]


def test_an_upload_to_another_destination_is_refused() -> None:
    key = uploaded(a_key(COVERS))
    with pytest.raises(UploadsRefused) as caught:
        attached(key)
    assert problems(caught) == [("images.0", "wrong_destination")]
    assert in_media() == []


@pytest.mark.parametrize("posted_again", [True, False])
@pytest.mark.parametrize(
    ("state", "code", "retry_after"),
    [
        (State.PROMOTING, "attaching", 5),
        (State.ATTACHED, "attached", None),
        (State.DELETING, "released", None),
        (State.DELETED, "released", None),
    ],
)
def test_a_key_is_attached_once(
    state: State, code: str, retry_after: int | None, posted_again: bool
) -> None:
    key = in_the_ledger(state=state)
    if posted_again:
        uploaded(key)
    with pytest.raises(UploadsRefused) as caught:
        attached(key)
    assert problems(caught) == [("images.0", code)]
    assert getattr(caught.value, "retry_after", None) == retry_after
    assert states() == [(key, state)]


# ------------------------------------------------------------------ S3 fails


def refused(store: MemoryS3, call: Call) -> Answer:
    return unavailable()


def cut_before(store: MemoryS3, call: Call) -> Answer:
    raise Cut


def cut_after(store: MemoryS3, call: Call) -> Answer:
    store.perform(call)
    raise Cut


def failing_once(
    store: MemoryS3, operation: str, fault: Fault, *, key: str = ""
) -> Callable[[Call], Answer]:
    """The next such call fails, all others are performed."""
    left = [fault]

    def intercept(call: Call) -> Answer:
        if left and call.operation == operation and call.keys[0].endswith(key):
            return left.pop()(store, call)
        return store.perform(call)

    return intercept


@pytest.mark.parametrize("fault", [refused, cut_before, cut_after])
@pytest.mark.parametrize("operation", ["GetObject", "CopyObject"])
def test_when_s3_fails_nothing_is_attached_and_the_same_request_works_later(
    store: MemoryS3, operation: str, fault: Fault
) -> None:
    key = uploaded()
    store.intercept = failing_once(store, operation, fault)
    with pytest.raises(BucketUnavailable):
        attached(key)
    assert nothing_is_held()

    attached(key)

    assert states() == [(key, "attached")]
    assert Photo.objects.count() == 1
    assert in_media() == [object_key(key)]


@pytest.mark.parametrize("fault", [refused, cut_before, cut_after])
def test_an_incoming_copy_that_stays_is_left_to_the_lifecycle(
    store: MemoryS3, fault: Fault
) -> None:
    key = uploaded()
    store.intercept = failing_once(store, "DeleteObjects", fault)
    attached(key)
    assert states() == [(key, "attached")]


def test_an_upload_that_changes_after_its_inspection_is_refused(store: MemoryS3) -> None:
    key = uploaded()

    def changed(store: MemoryS3, call: Call) -> Answer:
        answer = store.perform(call)
        store.intercept = store.perform
        uploaded(key, data=picture("JPEG", 8, 6, seed=1))
        return answer

    store.intercept = failing_once(store, "GetObject", changed)
    with pytest.raises(UploadsRefused) as caught:
        attached(key)
    assert problems(caught) == [("images.0", "changed")]
    assert in_media() == []
    assert nothing_is_held()


# ------------------------------------------------------------------ leases


@pytest.fixture
def world(store: MemoryS3) -> Iterator[World]:
    """Workers that can be stopped at each step; whatever they leave, time clears in the end."""
    made = World(store)
    yield made
    made.end()


def test_an_ended_lease_is_taken_over_by_the_same_bytes_alone(store: MemoryS3) -> None:
    key = uploaded()
    store.intercept = failing_once(store, "CopyObject", refused)
    with pytest.raises(BucketUnavailable):
        attached(key)

    uploaded(key, data=picture("JPEG", 8, 6, seed=1))
    with pytest.raises(UploadsInUse) as caught:
        attached(key)
    assert problems(caught) == [("images.0", "attaching")]

    uploaded(key)
    attached(key)
    assert states() == [(key, "attached")]


def test_a_worker_that_lost_its_lease_attaches_nothing(world: World) -> None:
    world.upload()
    world.attach("W1", ["u1"])
    world.step("W1", COPIED)
    world.tick(61)
    world.attach("W2", ["u1"])
    world.step("W2", CLAIMED)
    world.finish("W1")
    assert [problem.code for problem in world.outcomes["W1"].problems] == ["lease_lost"]
    assert nothing_is_held()

    world.finish("W2")

    assert world.outcomes["W2"] is None
    assert Photo.objects.count() == 1


def test_of_two_requests_for_one_key_one_attaches_it(world: World) -> None:
    world.upload()
    world.attach("W1", ["u1"])
    world.attach("W2", ["u1"])
    world.step("W1", CLAIMED)
    world.finish("W2")
    world.finish("W1")

    assert [problem.code for problem in world.outcomes["W2"].problems] == ["attaching"]
    assert Photo.objects.count() == 1


# ------------------------------------------------------------------ worker or database fails


@pytest.mark.parametrize("steps", range(6))
def test_a_worker_killed_at_any_step_leaves_what_the_sweep_clears(world: World, steps: int) -> None:
    world.upload()
    world.attach("W1", ["u1"])
    world.step("W1", steps)
    world.crash("W1")
    assert Photo.objects.count() == (1 if steps > COPIED else 0)


@pytest.mark.parametrize("steps", range(5))
def test_the_next_worker_goes_on_where_one_was_killed(world: World, steps: int) -> None:
    world.upload()
    world.attach("W1", ["u1"])
    world.step("W1", steps)
    world.crash("W1")
    world.tick(61)
    world.attach("W2", ["u1"], whole=True)
    if steps <= COPIED:
        assert world.outcomes["W2"] is None
    else:
        assert [problem.code for problem in world.outcomes["W2"].problems] == ["attached"]
    assert Photo.objects.count() == 1


@pytest.mark.parametrize("fault", ["statement fails", "commit fails"])
@pytest.mark.parametrize("steps", [0, COPIED - 1])
def test_when_the_database_fails_the_same_request_works_later(
    world: World, steps: int, fault: str
) -> None:
    world.upload()
    world.attach("W1", ["u1"])
    world.step("W1", steps)
    world.fault("W1", fault)
    assert isinstance(world.outcomes["W1"], OperationalError)
    assert nothing_is_held()

    world.attach("W1", ["u1"], whole=True)

    assert world.outcomes["W1"] is None
    assert Photo.objects.count() == 1


def test_a_commit_whose_answer_is_lost_survives_the_clients_rollback(world: World) -> None:
    world.upload()
    world.attach("W1", ["u1"])
    world.step("W1", CLAIMED)
    world.fault("W1", "commit unanswered")
    assert isinstance(world.outcomes["W1"], InterfaceError)

    world.rollback("W2", ["u1"], whole=True)

    assert [problem.code for problem in world.outcomes["W2"].problems] == ["attached"]
    assert Photo.objects.count() == 1


def test_a_record_that_breaks_a_constraint_keeps_no_file(world: World) -> None:
    world.upload()
    world.attach("W1", ["u1"], save="fails", whole=True)
    assert isinstance(world.outcomes["W1"], IntegrityError)
    assert nothing_is_held()
    assert len(in_media()) == 1

    world.tick(601)
    world.sweep("W2", whole=True)

    assert in_media() == []


def test_a_rollback_ends_an_attempt_that_failed(world: World) -> None:
    world.upload()
    world.attach("W1", ["u1"], save="fails", whole=True)
    world.rollback("W2", ["u1"], whole=True)
    assert world.outcomes["W2"] is None
    world.attach("W1", ["u1"], whole=True)
    assert [problem.code for problem in world.outcomes["W1"].problems] == ["released"]
