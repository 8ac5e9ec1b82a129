"""What the protocol must not do without: each step of docs/design.md's list, left out.

Each is the smallest step that does the same without the safeguard. They replace ours for as long as
a test runs, which nothing else here does.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now

from sign_s3.bucket import Bucket
from sign_s3.conf import conf
from sign_s3.inspection import Inspected
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, MediaObjectQuerySet, State
from sign_s3.services import attach, issue, rollback
from sign_s3.services.attach import Upload
from sign_s3.storage import media_bucket, media_signer
from sign_s3.tests.protocol.store import MemoryS3

Mutation = Callable[[pytest.MonkeyPatch, MemoryS3], None]


def one_bucket(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """Clients post where records are served from, and attaching copies nothing."""
    patch.setattr(attach, "incoming_bucket", media_bucket)
    patch.setattr(attach, "_promote", lambda *_: None)
    patch.setattr(attach, "_discard_incoming", lambda *_: None)
    patch.setattr(rollback, "incoming_bucket", media_bucket)
    patch.setattr(issue, "incoming_signer", media_signer)


def copy_of_anything(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """The copy takes whatever lies in incoming by then."""
    s3.ignores_preconditions = True


def claim_of_anyone(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """A claim goes through whoever has the row, and in whatever state."""

    def claim(
        owner: str, uploads: Sequence[Upload], inspected: Sequence[Inspected], token: uuid.UUID
    ) -> None:
        for item in inspected:
            MediaObject.objects.update_or_create(
                key=item.key,
                defaults={
                    "owner": owner,
                    "etag": item.etag,
                    "content_type": item.content_type,
                    "size": item.size,
                    "state": State.PROMOTING,
                    "token": token,
                    "lease_until": Now() + conf().lease,
                    "due_at": None,
                },
            )

    patch.setattr(attach, "_claim", claim)


def commit_without_the_token(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """A commit goes by the keys alone, whoever holds their lease by then."""

    def commit(
        token: uuid.UUID, inspected: Sequence[Inspected], save: Callable[[object], object]
    ) -> object:
        with transaction.atomic(durable=True):
            result = save(inspected)
            MediaObject.objects.filter(key__in=[item.key for item in inspected]).update(
                state=State.ATTACHED, token=None, lease_until=None, due_at=None
            )
        return result

    patch.setattr(attach, "_commit", commit)


def take_over_for_other_bytes(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """An ended lease is taken over though the upload has changed since."""

    def take_over(
        rows: MediaObjectQuerySet,
        *,
        key: str,
        owner: str,
        etag: str,
        token: uuid.UUID,
        lease: timedelta,
    ) -> int:
        return rows.filter(
            key=key, owner=owner, state=State.PROMOTING, lease_until__lte=Now()
        ).update(etag=etag, token=token, lease_until=Now() + lease)

    patch.setattr(MediaObjectQuerySet, "take_over", take_over)


def rollback_of_media(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """A rollback cleans up the media bucket too, if no record holds the key."""
    real = rollback._refuse_claimed

    def refuse_claimed(owner: str, uploads: Mapping[str, str]) -> None:
        attached = MediaObject.objects.filter(key__in=uploads, state=State.ATTACHED)
        if not attached.exists():
            media_bucket().delete_many([object_key(key) for key in uploads])
        real(owner, uploads)

    patch.setattr(rollback, "_refuse_claimed", refuse_claimed)


def rollback_that_looks_first(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """A rollback asks the ledger, and deletes when that has answered."""
    others_in_bucket, refuse_claimed = rollback._others_in_bucket, rollback._refuse_claimed

    def others(bucket: Bucket, owner: str, keys: Sequence[str]) -> set[str]:
        strangers = others_in_bucket(bucket, owner, keys)
        refuse_claimed(owner, dict.fromkeys(keys, "key"))
        return strangers

    patch.setattr(rollback, "_others_in_bucket", others)
    patch.setattr(rollback, "_refuse_claimed", lambda *_: None)


def one_delete(patch: pytest.MonkeyPatch, s3: MemoryS3) -> None:
    """What was deleted once is taken to be gone."""

    def first_delete_done(
        rows: MediaObjectQuerySet, keys: Sequence[str], *, settle: timedelta
    ) -> int:
        return rows.filter(key__in=list(keys), state=State.DELETING).update(
            state=State.DELETED, deletes_sent=2, attempts=0, due_at=Now() + conf().tombstone
        )

    patch.setattr(MediaObjectQuerySet, "first_delete_done", first_delete_done)
