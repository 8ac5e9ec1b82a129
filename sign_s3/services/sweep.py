"""Sweep: the one place that deletes from the media bucket.

    expire    leases that have been over for the grace period: promoting → deleting
    purge     tombstones and kept answers past their time
    delete    due rows, up to 1,000 a call; first and, after settling, a second time → deleted

Any number of sweeps may run at once and any may be killed anywhere: each step takes up to 1,000
rows in one short transaction and skips those that another sweep is taking, so none waits. Taking a
batch of deletes also puts back what a field still refers to, and notes that a delete is about to be
sent; S3 is called after that committed, and each key's answer is noted afterwards. What was sent
but never noted is sent again.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import groupby
from typing import Final, Self, TypeVar

from django.db import connections, router, transaction
from django.db.models import Model, QuerySet

from sign_s3.bucket import MAX_DELETES, BucketException
from sign_s3.conf import conf
from sign_s3.fields import references
from sign_s3.keys import object_key
from sign_s3.models import KeptAnswer, MediaObject, State
from sign_s3.storage import media_bucket

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

BATCH: Final = MAX_DELETES
FIRST_RETRY: Final = timedelta(seconds=10)
LONGEST_RETRY: Final = timedelta(hours=1)
#: A sweep that would delete more files than this, and more than half of all, asks a person first.
IMPLAUSIBLE: Final = 10_000


class ImplausibleSweep(Exception):
    """So much is due for deletion that somebody should look before it goes."""


@dataclass(slots=True)
class Swept:
    """What one run did, in rows."""

    expired: int = 0
    deleted: int = 0
    confirmed: int = 0
    kept: int = 0
    failed: int = 0
    purged: int = 0

    def __add__(self, other: Self) -> "Swept":
        return Swept(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        )

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def succeeded(self) -> int:
        """Rows that something was done about."""
        return self.expired + self.deleted + self.confirmed + self.kept + self.purged


def sweep(
    *,
    force: bool = False,
    on_batch: Callable[[Swept], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Swept:
    """Do everything that is due and return what was done. ``on_batch`` is told the sum so far.

    Ends early, between two batches, once ``stopping``. Raises `ImplausibleSweep` before any delete
    unless ``force``. What S3 refuses or does not answer is counted as failed and comes up again by
    itself.
    """
    done = Swept()
    for batch in (_expire, _purge_tombstones, _purge_answers, _delete):
        if batch is _delete and not force:
            check_plausible()
        while not stopping() and (swept := batch()):
            done += swept
            on_batch(done)
            if swept.failed and not swept.succeeded:
                break  # S3 is not there; what is due stays due, and the rest untouched
    return done


def due() -> Swept:
    """What a run would do now, changing nothing."""
    rows = MediaObject.objects
    deletions = rows.due(State.DELETING)
    return Swept(
        expired=rows.expired(conf().lease_grace).count(),
        deleted=deletions.filter(deletes_sent=0).count(),
        confirmed=deletions.filter(deletes_sent=1).count(),
        purged=rows.due(State.DELETED).count() + KeptAnswer.objects.expired().count(),
    )


def check_plausible() -> None:
    """Raise `ImplausibleSweep` if files due outnumber those in use, and are many.

    Both looks stop counting at a bound that follows the due rows, not the table.
    """
    number = MediaObject.objects.due(State.DELETING).filter(deletes_sent=0, attempts=0).count()
    if number <= IMPLAUSIBLE:
        return
    in_use = MediaObject.objects.filter(state=State.ATTACHED).values("pk")[:number].count()
    if in_use < number:
        raise ImplausibleSweep(
            f"{number} files are due for deletion and only {in_use} would stay. "
            "If that is right, run it once with --force."
        )


def _expire() -> Swept:
    """End the leases of one batch; an attach that renews or takes one over meanwhile keeps it."""
    with _transaction():
        rows = _lock(MediaObject.objects.expired(conf().lease_grace))
        expired = MediaObject.objects.filter(pk__in=[row.pk for row in rows])
        return Swept(expired=expired.expire(conf().lease_grace))


def _take() -> tuple[list[MediaObject], int]:
    """Up to `BATCH` due rows whose delete we now have to send, and how many were put back."""
    with _transaction():
        due = _lock(MediaObject.objects.due(State.DELETING))
        wanted = _put_back(due)
        rows = sorted((row for row in due if row.key not in wanted), key=lambda row: row.attempts)
        for attempts, group in groupby(rows, key=lambda row: row.attempts):
            MediaObject.objects.begin_delete(
                [row.key for row in group], attempts=attempts, again_in=_backoff(attempts)
            )
        return rows, len(wanted)


def _put_back(rows: Sequence[MediaObject]) -> set[str]:
    """Return to attached what a field still refers to, as long as no delete can have been sent."""
    untouched = [row.key for row in rows if row.attempts == 0 and row.deletes_sent == 0]
    wanted = references(untouched)
    if wanted:
        MediaObject.objects.keep(wanted)
        for key in sorted(wanted):
            logger.error("a record still refers to %s, which was to be deleted; it stays", key)
    return wanted


def _delete() -> Swept:
    """Take a batch and delete it."""
    rows, kept = _take()
    return _send(rows) + Swept(kept=kept) if rows else Swept(kept=kept)


def _send(rows: Sequence[MediaObject]) -> Swept:
    try:
        results = media_bucket().delete_many([object_key(row.key) for row in rows])
    except BucketException as exc:
        logger.warning("deleting %d files failed; they stay due: %s", len(rows), exc)
        return Swept(failed=len(rows))
    answered = {row.key: row for row in rows if results[object_key(row.key)] is None}
    first = [key for key, row in answered.items() if row.deletes_sent == 0]
    second = [key for key, row in answered.items() if row.deletes_sent == 1]
    for row in rows:
        if row.key not in answered:
            logger.warning("deleting %s failed: %s", row.key, results[object_key(row.key)])
    return Swept(
        deleted=MediaObject.objects.first_delete_done(first, settle=conf().settle),
        confirmed=MediaObject.objects.second_delete_done(second, tombstone=conf().tombstone),
        failed=len(rows) - len(answered),
    )


def _backoff(attempts: int) -> timedelta:
    """Twice as long after each failure, and half of it at random so that a crowd spreads out."""
    longest: timedelta = min(FIRST_RETRY * 2 ** min(attempts, 20), LONGEST_RETRY)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret


def _purge_tombstones() -> Swept:
    return _remove(MediaObject.objects.due(State.DELETED))


def _purge_answers() -> Swept:
    return _remove(KeptAnswer.objects.expired())


def _remove(rows: QuerySet[M]) -> Swept:
    with _transaction():
        keys = [row.pk for row in _lock(rows)]
        return Swept(purged=rows.filter(pk__in=keys).delete()[0])


def _lock(rows: QuerySet[M]) -> list[M]:
    """A batch of these rows, locked until the transaction's end, without any locked already.

    SQLite has no row locks and needs none: its transactions begin with the one write lock.
    """
    features = connections[router.db_for_write(MediaObject)].features
    return list(
        rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)[:BATCH]
    )


def _transaction() -> transaction.Atomic:
    return transaction.atomic(using=router.db_for_write(MediaObject), durable=True)
