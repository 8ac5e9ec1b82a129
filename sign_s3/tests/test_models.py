"""The ledger: every transition with its loser, the database's clock, and the constraints."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from sign_s3.models import MediaObject, State
from sign_s3.tests.app.factories import a_key, in_the_ledger

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
TOKEN = uuid.uuid4()
ledger = MediaObject.objects


def promoting(*, ends_in: timedelta = MINUTE) -> str:
    return in_the_ledger(state=State.PROMOTING, token=TOKEN, lease_until=Now() + ends_in)


def the_row() -> MediaObject:
    return ledger.get()


def seconds_until(column: str) -> float:
    """How far a time is from the database's own, read back by a second query."""
    row = ledger.annotate(clock=Now()).values(column, "clock").get()
    return float((row[column] - row["clock"]).total_seconds())


def test_migrations_are_up_to_date() -> None:
    call_command("makemigrations", "sign_s3", check=True, dry_run=True, verbosity=0)


# ------------------------------------------------------------------ claims and leases


def test_a_key_is_claimed_once() -> None:
    first, second, key = uuid.uuid4(), uuid.uuid4(), a_key()
    for token in (first, second):
        row = MediaObject(key=key, owner="alice", etag='"e"', content_type="image/png", size=1)
        ledger.claim([row], token=token, lease=MINUTE)
    assert ledger.holding(first).count() == 1
    assert ledger.holding(second).count() == 0
    assert 50 < seconds_until("lease_until") <= 60
    assert -10 < seconds_until("created_at") <= 0


@pytest.mark.parametrize(
    ("ends_in", "changed", "taken"),
    [
        (-MINUTE, {}, 1),
        (MINUTE, {}, 0),
        (-MINUTE, {"owner": "bob"}, 0),
        (-MINUTE, {"etag": '"other"'}, 0),
        (-MINUTE, {"key": "gallery/photo_other"}, 0),
    ],
)
def test_an_ended_lease_is_taken_over_by_its_owner_for_the_same_bytes(
    ends_in: timedelta, changed: dict[str, str], taken: int
) -> None:
    mine = uuid.uuid4()
    wanted = {"key": promoting(ends_in=ends_in), "owner": "alice", "etag": '"e"'} | changed
    assert ledger.take_over(**wanted, token=mine, lease=MINUTE) == taken
    assert ledger.holding(mine).count() == taken
    assert ledger.holding(TOKEN).count() == 1 - taken


def test_a_lease_is_taken_over_by_one_of_two() -> None:
    wanted = {"key": promoting(ends_in=-MINUTE), "owner": "alice", "etag": '"e"'}
    assert ledger.take_over(**wanted, token=uuid.uuid4(), lease=MINUTE) == 1
    assert ledger.take_over(**wanted, token=uuid.uuid4(), lease=MINUTE) == 0


def test_a_lease_given_up_can_be_taken_over_at_once() -> None:
    key = promoting()
    assert ledger.end_lease(TOKEN) == 1
    wanted = {"key": key, "owner": "alice", "etag": '"e"'}
    assert ledger.take_over(**wanted, token=uuid.uuid4(), lease=MINUTE) == 1


def test_whoever_holds_the_lease_renews_and_commits() -> None:
    promoting(ends_in=timedelta(seconds=1))
    assert ledger.renew(TOKEN, MINUTE) == 1
    assert 50 < seconds_until("lease_until") <= 60
    assert ledger.commit(TOKEN) == 1
    row = the_row()
    assert (row.state, row.token, row.lease_until) == (State.ATTACHED, None, None)
    assert -10 < seconds_until("attached_at") <= 0


@pytest.mark.parametrize(
    "step",
    [
        lambda token: ledger.renew(token, MINUTE),
        ledger.end_lease,
        ledger.commit,
    ],
)
def test_whoever_lost_the_lease_does_nothing(step: Callable[[uuid.UUID], int]) -> None:
    promoting()
    before = ledger.values().get()
    assert step(uuid.uuid4()) == 0
    assert ledger.values().get() == before


@pytest.mark.parametrize(("ended", "gone"), [(9, 0), (11, 1), (-1, 0)])
def test_a_lease_expires_once_it_has_been_over_for_the_grace(ended: int, gone: int) -> None:
    promoting(ends_in=-ended * MINUTE)
    assert ledger.expire(10 * MINUTE) == gone
    assert the_row().state == (State.DELETING if gone else State.PROMOTING)
    assert ledger.due(State.DELETING).count() == gone
    assert ledger.commit(TOKEN) == 1 - gone


# ------------------------------------------------------------------ deletions


def test_a_deletion_goes_from_due_to_a_tombstone() -> None:
    key = in_the_ledger(state=State.DELETING)
    assert ledger.begin_delete([key], attempts=0, again_in=MINUTE) == 1
    assert ledger.begin_delete([key], attempts=0, again_in=MINUTE) == 0
    assert not ledger.due(State.DELETING).exists()
    assert 50 < seconds_until("due_at") <= 60

    assert ledger.second_delete_done([key], tombstone=MINUTE) == 0
    assert ledger.first_delete_done([key], settle=15 * MINUTE) == 1
    assert ledger.first_delete_done([key], settle=15 * MINUTE) == 0
    assert 890 < seconds_until("due_at") <= 900

    assert ledger.begin_delete([key], attempts=0, again_in=MINUTE) == 1
    assert ledger.second_delete_done([key], tombstone=timedelta(days=7)) == 1
    row = the_row()
    assert (row.state, row.attempts, row.deletes_sent) == (State.DELETED, 0, 2)
    assert 604_790 < seconds_until("due_at") <= 604_800


def test_a_file_still_referred_to_is_kept_while_no_delete_was_begun() -> None:
    key = in_the_ledger(state=State.DELETING)
    assert ledger.keep([key]) == 1
    row = the_row()
    assert (row.state, row.due_at) == (State.ATTACHED, None)
    assert row.attached_at is not None


@pytest.mark.parametrize(("attempts", "deletes_sent"), [(1, 0), (0, 1)])
def test_nothing_is_kept_once_a_delete_may_have_reached_s3(
    attempts: int, deletes_sent: int
) -> None:
    key = in_the_ledger(state=State.DELETING, attempts=attempts, deletes_sent=deletes_sent)
    assert ledger.keep([key]) == 0
    assert the_row().state == State.DELETING


@pytest.mark.parametrize("state", [State.PROMOTING, State.ATTACHED, State.DELETED])
def test_only_a_row_on_its_way_out_is_deleted_or_kept(state: State) -> None:
    key = in_the_ledger(state=state)
    assert ledger.begin_delete([key], attempts=0, again_in=MINUTE) == 0
    assert ledger.first_delete_done([key], settle=MINUTE) == 0
    assert ledger.second_delete_done([key], tombstone=MINUTE) == 0
    assert ledger.keep([key]) == 0


def test_what_is_due_comes_in_order_and_the_rest_not_at_all() -> None:
    late = in_the_ledger(state=State.DELETING, due_at=Now() - MINUTE)
    first = in_the_ledger(state=State.DELETING, due_at=Now() - 2 * MINUTE)
    in_the_ledger(state=State.DELETING, due_at=Now() + MINUTE)
    in_the_ledger(state=State.DELETED, due_at=Now() - MINUTE)
    assert [row.key for row in ledger.due(State.DELETING)] == [first, late]


# ------------------------------------------------------------------ constraints and indexes


@pytest.mark.parametrize(
    ("state", "values", "constraint"),
    [
        (State.ATTACHED, {"state": "lost"}, "mediaobject_(state_known|due_while_leaving)"),
        (State.ATTACHED, {"token": TOKEN}, "mediaobject_lease_while_promoting"),
        (State.ATTACHED, {"lease_until": Now()}, "mediaobject_lease_while_promoting"),
        (State.PROMOTING, {"token": None}, "mediaobject_lease_while_promoting"),
        (State.PROMOTING, {"lease_until": None}, "mediaobject_lease_while_promoting"),
        (State.PROMOTING, {"due_at": Now()}, "mediaobject_due_while_leaving"),
        (State.ATTACHED, {"due_at": Now()}, "mediaobject_due_while_leaving"),
        (State.DELETING, {"due_at": None}, "mediaobject_due_while_leaving"),
        (State.DELETED, {"due_at": None}, "mediaobject_due_while_leaving"),
    ],
)
def test_the_database_refuses_a_state_without_what_belongs_to_it(
    state: State, values: dict[str, Any], constraint: str
) -> None:
    in_the_ledger(state=state)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ledger.update(**values)


def test_a_key_has_one_row() -> None:
    key = in_the_ledger(state=State.DELETED)
    with pytest.raises(IntegrityError), transaction.atomic():
        in_the_ledger(key, State.PROMOTING)


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (ledger.holding(TOKEN), "mediaobject_token"),
        (ledger.due(State.DELETING), "mediaobject_due"),
        (ledger.expired(MINUTE), "mediaobject_lease"),
        (ledger.filter(owner="alice", state=State.ATTACHED), "mediaobject_owner"),
    ],
)
def test_no_step_reads_the_whole_table(rows: QuerySet[MediaObject], index: str) -> None:
    attached = {"etag": '"e"', "content_type": "image/png", "size": 1, "state": State.ATTACHED}
    ledger.bulk_create(
        MediaObject(key=a_key(), owner=f"user{number}", **attached) for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sign_s3_mediaobject")
    assert index in rows.explain()
