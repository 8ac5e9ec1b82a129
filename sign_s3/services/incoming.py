"""Expire what nobody claimed or finished (L1), for a store that has no lifecycle rules of its own.

Stores that have them do the same at no cost, also while this service is down: `setup_buckets`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.db import connections, router

from sign_s3.bucket import MAX_DELETES, Bucket, NoSuchKey
from sign_s3.conf import conf
from sign_s3.models import MediaObject
from sign_s3.storage import incoming_bucket, media_bucket


@dataclass(slots=True)
class Expired:
    """What one run removed; `failed` objects are left for the next run."""

    objects: int = 0
    multiparts: int = 0
    failed: int = 0


def expire_incoming(
    *, dry_run: bool = False, on_batch: Callable[[Expired], None] = lambda _: None
) -> Expired:
    """Delete uploads, and abort multipart uploads, that are older than `incoming_days`.

    In the media bucket, whose objects are left alone, a multipart upload is a copy in parts that a
    crash cut short. Their age is what S3 says they began against the database's clock. ``on_batch``
    is told the sum so far. Raises the bucket's exceptions.
    """
    incoming, before = incoming_bucket(), _now() - timedelta(days=conf().incoming_days)
    done = Expired()
    old = (found.key for found in incoming.list() if found.last_modified <= before)
    while names := list(islice(old, MAX_DELETES)):
        failures = [] if dry_run else [*filter(None, incoming.delete_many(names).values())]
        done.objects += len(names) - len(failures)
        done.failed += len(failures)
        on_batch(done)
    done.multiparts = sum(
        _abort(bucket, before=before, dry_run=dry_run) for bucket in (incoming, media_bucket())
    )
    return done


def _abort(bucket: Bucket, *, before: datetime, dry_run: bool) -> int:
    """Drop the multipart uploads that began by then. How many."""
    aborted = 0
    for upload in bucket.list_multiparts():
        if upload.initiated > before:
            continue
        if not dry_run:
            try:
                bucket.abort_multipart(upload.key, upload.upload_id)
            except NoSuchKey:
                continue  # completed or aborted since
        aborted += 1
    return aborted


def _now() -> datetime:
    """The database's clock, to the second."""
    with connections[router.db_for_write(MediaObject)].cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
        [now] = cursor.fetchone()
    # SQLite has no type for it and answers with a text in UTC (sqlite.org/lang_datefunc).
    return now if isinstance(now, datetime) else datetime.fromisoformat(now).replace(tzinfo=UTC)
