"""Reconcile: after a restore, give the ledger what it needs to agree with the media bucket again.

Nothing here deletes anything. docs/backup.md says when to do what.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from django.db.models.functions import Now

from sign_s3.bucket import NoSuchKey, ObjectInfo
from sign_s3.fields import destination_of, references
from sign_s3.inspection import OWNER_METADATA
from sign_s3.keys import InvalidKey, bare_key, is_owner
from sign_s3.models import MediaObject, State
from sign_s3.services.compare import BATCH
from sign_s3.services.store import each
from sign_s3.storage import media_bucket


@dataclass(slots=True)
class Adopted:
    """`rows` were added to the ledger; `skipped` objects are no destination's, or nothing refers
    to them and they were not wanted then.
    """

    rows: int = 0
    skipped: int = 0


def adopt(names: Iterable[str], *, referenced_only: bool) -> Adopted:
    """Give unknown objects a row each, attached, as what their object says they are.

    The owner is the one `attach` noted on the object, or nobody. The next audit puts up for
    deletion what nothing refers to by then; ``referenced_only`` leaves such objects unknown. Raises
    the bucket's exceptions.
    """
    done = Adopted()
    remaining = iter(names)
    while batch := list(islice(remaining, BATCH)):
        wanted = [name for name in batch if _is_ours(name)]
        if referenced_only:
            referenced = references(map(bare_key, wanted))
            wanted = [name for name in wanted if bare_key(name) in referenced]
        rows = []
        for outcome in each(media_bucket().stat, wanted):
            if isinstance(outcome, ObjectInfo):
                rows.append(_row_of(outcome))
            elif not isinstance(outcome, NoSuchKey):
                raise outcome
        MediaObject.objects.bulk_create(rows, ignore_conflicts=True)
        done.rows += len(rows)
        done.skipped += len(batch) - len(rows)
    return done


def delete_again(names: Iterable[str]) -> int:
    """Put objects that came back after their deletion up for deletion once more; how many."""
    remaining = (bare_key(name) for name in names)
    again = 0
    while batch := list(islice(remaining, BATCH)):
        again += MediaObject.objects.delete_again(batch)
    return again


def _is_ours(name: str) -> bool:
    try:
        return destination_of(bare_key(name)) is not None
    except InvalidKey:
        return False


def _row_of(found: ObjectInfo) -> MediaObject:
    owner = found.metadata.get(OWNER_METADATA, "")
    return MediaObject(
        key=bare_key(found.key),
        owner=owner if is_owner(owner) else "",
        etag=found.etag,
        content_type=found.content_type[:100],
        size=found.size,
        state=State.ATTACHED,
        attached_at=Now(),
    )
