"""The sweep: what is due, in which order, and what several at once or a dead store do to it."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from conftest import Buckets
from sign_s3.bucket import BucketUnavailable, on_request
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.sweep import BATCH, ImplausibleSweep, Swept, due, sweep
from sign_s3.tests.app.factories import a_key, in_the_ledger
from sign_s3.tests.app.models import Photo

pytestmark = pytest.mark.django_db


def state(key: str) -> tuple[str, int, int]:
    row = MediaObject.objects.get(key=key)
    return row.state, row.attempts, row.deletes_sent


def pass_time(**time: float) -> None:
    """As if so much time had passed for every row of the ledger."""
    MediaObject.objects.update(
        due_at=F("due_at") - timedelta(**time), lease_until=F("lease_until") - timedelta(**time)
    )


def stored(buckets: Buckets, key: str) -> str:
    buckets.media.put(object_key(key), "bytes")
    return key


def many(number: int, state: State = State.DELETING) -> None:
    """So many rows, due now where the state has it."""
    due_at = None if state == State.ATTACHED else Now()
    MediaObject.objects.bulk_create(
        [
            MediaObject(
                key=a_key(),
                owner="alice",
                etag='"e"',
                content_type="image/jpeg",
                size=1,
                state=state,
                due_at=due_at,
            )
            for _ in range(number)
        ],
        batch_size=1_000,
    )


def names(buckets: Buckets) -> list[str]:
    return [found.key for found in buckets.media.list()]


@contextmanager
def failing(operation: str = "DeleteObjects") -> Iterator[None]:
    """An S3 that cannot be reached for this operation."""

    def fail(called: str) -> None:
        if called == operation:
            raise BucketUnavailable("test-media", "no answer")

    undo = on_request(fail)
    try:
        yield
    finally:
        undo()


def test_a_released_file_is_deleted_twice_and_its_row_stays_a_week(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger(state=State.DELETING))

    assert sweep() == Swept(deleted=1)
    assert state(key) == (State.DELETING, 0, 1)
    assert names(buckets) == []
    assert sweep() == Swept()

    pass_time(minutes=15)
    stored(buckets, key)  # a copy that was in flight
    assert sweep() == Swept(confirmed=1)
    assert state(key) == (State.DELETED, 0, 2)
    assert names(buckets) == []

    pass_time(days=6, hours=23)
    assert sweep() == Swept()
    pass_time(hours=1)
    assert sweep() == Swept(purged=1)
    assert not MediaObject.objects.exists()


def test_a_lease_that_ended_ten_minutes_ago_is_expired_and_its_copy_deleted(
    buckets: Buckets,
) -> None:
    stored(buckets, in_the_ledger(state=State.PROMOTING, lease_until=Now()))
    running = stored(buckets, in_the_ledger(state=State.PROMOTING))
    pass_time(minutes=9, seconds=50)
    MediaObject.objects.filter(key=running).update(lease_until=Now() + timedelta(seconds=5))
    assert sweep() == Swept()
    pass_time(seconds=10)
    assert sweep() == Swept(expired=1, deleted=1)
    assert names(buckets) == [object_key(running)]
    assert state(running)[0] == State.PROMOTING


def test_what_is_attached_is_left_alone(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger())
    assert sweep() == Swept()
    assert names(buckets) == [object_key(key)]


def test_what_a_record_still_refers_to_goes_back_to_attached(
    buckets: Buckets, caplog: pytest.LogCaptureFixture
) -> None:
    key = stored(buckets, in_the_ledger(state=State.DELETING))
    Photo.objects.create(image=key, hidden=True)
    assert sweep() == Swept(kept=1)
    assert state(key) == (State.ATTACHED, 0, 0)
    assert names(buckets) == [object_key(key)]
    assert caplog.messages == [f"a record still refers to {key}, which was to be deleted; it stays"]


def test_what_may_have_been_deleted_already_does_not_go_back(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger(state=State.DELETING, attempts=1))
    Photo.objects.create(image=key)
    assert sweep() == Swept(deleted=1)


def test_while_s3_is_down_files_stay_due_with_growing_pauses(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger(state=State.DELETING))
    with failing():
        for attempt, longest in enumerate([10, 20, 40, 80], start=1):
            assert sweep() == Swept(failed=1)
            assert state(key) == (State.DELETING, attempt, 0)
            assert sweep() == Swept()
            pass_time(seconds=longest / 2 - 1)
            assert sweep() == Swept()
            pass_time(seconds=longest / 2 + 1)
        for _ in range(10):
            sweep()
            pass_time(hours=1)
    assert sweep() == Swept(deleted=1)
    assert state(key) == (State.DELETING, 0, 1)


def test_while_s3_is_down_a_run_stops_at_the_first_batch(buckets: Buckets) -> None:
    many(1_500)
    with failing():
        assert sweep() == Swept(failed=1_000)
    assert MediaObject.objects.filter(attempts=0).count() == 500


def test_everything_due_goes_in_batches_of_a_thousand(buckets: Buckets) -> None:
    many(2_500)
    sums: list[int] = []
    assert sweep(on_batch=lambda done: sums.append(done.deleted)) == Swept(deleted=2_500)
    assert sums == [1_000, 2_000, 2_500]


def test_it_stops_after_the_batch_in_hand(buckets: Buckets) -> None:
    many(1_500)
    seen: list[Swept] = []
    assert sweep(on_batch=seen.append, stopping=lambda: bool(seen)) == Swept(deleted=1_000)
    assert MediaObject.objects.filter(deletes_sent=0, attempts=0).count() == 500


def test_a_dry_run_counts_and_changes_nothing(buckets: Buckets) -> None:
    in_the_ledger(state=State.DELETING)
    in_the_ledger(state=State.DELETING, deletes_sent=1)
    in_the_ledger(state=State.DELETED, deletes_sent=2)
    in_the_ledger(state=State.PROMOTING, lease_until=Now() - timedelta(minutes=10))
    before = list(MediaObject.objects.order_by("pk").values())
    assert due() == Swept(expired=1, deleted=1, confirmed=1, purged=1)
    assert list(MediaObject.objects.order_by("pk").values()) == before


def test_implausibly_many_deletions_wait_for_a_person(buckets: Buckets) -> None:
    many(10_001)
    many(10_000, State.ATTACHED)
    with pytest.raises(ImplausibleSweep, match="10001 files are due for deletion and only 10000"):
        sweep()
    assert MediaObject.objects.filter(attempts=0).count() == 20_001
    begun = MediaObject.objects.filter(deletes_sent=1)
    assert sweep(force=True, stopping=begun.exists) == Swept(deleted=1_000)


def test_a_sweep_that_died_after_sending_sends_again(buckets: Buckets) -> None:
    key = stored(buckets, in_the_ledger(state=State.DELETING))

    class Killed(BaseException):
        pass

    def kill(_: str) -> None:
        undo()
        raise Killed

    undo = on_request(kill)
    with pytest.raises(Killed):
        sweep()
    assert state(key) == (State.DELETING, 1, 0)
    pass_time(seconds=10)
    assert sweep() == Swept(deleted=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("pause", [{"seconds": 0}, {"minutes": 1}, {"hours": 1}])
def test_a_sweep_that_pauses_before_it_sends_harms_nothing(
    pause: dict[str, float], buckets: Buckets
) -> None:
    """Others do everything that comes due meanwhile; the late delete finds nothing to change."""
    key = stored(buckets, in_the_ledger(state=State.DELETING))
    others: list[Swept] = []

    def resume_late(_: str) -> None:
        undo()
        pass_time(**pause)
        others.append(sweep())
        pass_time(**pause)
        others.append(sweep())

    undo = on_request(resume_late)
    late = sweep()
    done = sum(others, late)
    assert (done.deleted, done.failed) == (1, 0)
    assert MediaObject.objects.get(key=key).deletes_sent == 1 + done.confirmed
    assert names(buckets) == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_share_the_work(buckets: Buckets) -> None:
    for _ in range(100):
        many(20)
        in_the_ledger(state=State.PROMOTING, lease_until=Now() - timedelta(minutes=10))
        in_the_ledger(state=State.DELETED, deletes_sent=2)
        done = at_once(sweep, 3)
        total = sum(done, Swept())
        again = sweep()
        assert total + again == Swept(expired=1, deleted=21, purged=1)
        MediaObject.objects.all().delete()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_rows_another_sweep_is_taking_are_not_waited_for(buckets: Buckets) -> None:
    for _ in range(3):
        in_the_ledger(state=State.DELETING)
    in_the_ledger(state=State.PROMOTING, lease_until=Now() - timedelta(hours=1))
    in_the_ledger(state=State.DELETED, deletes_sent=2)
    with transaction.atomic():
        list(MediaObject.objects.select_for_update())
        assert at_once(sweep, 1) == [Swept()]
    assert sweep() == Swept(expired=1, deleted=4, purged=1)


def at_once(call: Callable[[], Swept], number: int) -> list[Swept]:
    start, done = threading.Barrier(number), []

    def run() -> None:
        start.wait()
        try:
            done.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == number
    return done


def test_finding_what_is_due_does_not_read_the_table() -> None:
    """The cost follows the due rows: every question of the sweep goes through a partial index."""
    many(20_000, State.ATTACHED)
    for _ in range(20):
        in_the_ledger(state=State.DELETING)
        in_the_ledger(state=State.DELETED, deletes_sent=2)
        in_the_ledger(state=State.PROMOTING, lease_until=Now() - timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    rows = MediaObject.objects
    plans = {
        rows.due(State.DELETING).select_for_update()[:BATCH]: "mediaobject_due",
        rows.due(State.DELETING).filter(deletes_sent=0, attempts=0): "mediaobject_due",
        rows.due(State.DELETED).select_for_update()[:BATCH]: "mediaobject_due",
        rows.expired(timedelta(minutes=10)).select_for_update()[:BATCH]: "mediaobject_lease",
        rows.holding(uuid.uuid4()): "mediaobject_token",
    }
    for query, index in plans.items():
        with transaction.atomic():
            assert index in query.explain()
