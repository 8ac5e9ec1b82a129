"""Rollback: a client takes back uploads that no record holds.

It deletes from the incoming bucket only, so whatever it is told it cannot lose a served file. Only
after the delete does it read the ledger: an upload that is attached by then keeps its file, and one
that is not can only be if its client sends it again, by its form or by completing what it began in
parts (whose own DELETE ends it). An attempt whose lease has ended is given up for good, as the
sweep would a little later: its row leaves promoting, so even a worker that slept through it can no
longer commit.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sign_s3.bucket import Bucket, NoSuchKey
from sign_s3.inspection import OWNER_METADATA
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.errors import RETRY_ATTACHING, Problem, UnknownUploads, UploadsInUse
from sign_s3.services.store import each, waiting_for_store
from sign_s3.storage import incoming_bucket


def rollback(*, owner: str, uploads: Mapping[str, str]) -> None:
    """Delete these unattached uploads; a key nobody knows is no error.

    ``uploads`` maps each key to its place in the request. Raises `UnknownUploads` before anything
    is touched if one is another owner's, `UploadsInUse` if one is attached or being attached, and
    the bucket's exceptions.
    """
    bucket = incoming_bucket()
    keys = list(uploads)
    with waiting_for_store():
        # The ledger last: what has left the bucket for a record of somebody's has a row by then.
        strangers = _others_in_bucket(bucket, owner, keys)
        strangers |= _others_in_ledger(owner, keys)
        if strangers:
            raise UnknownUploads(
                [
                    Problem(uploads[key], "not_found", "No such upload of yours.")
                    for key in keys
                    if key in strangers
                ]
            )
        for failure in bucket.delete_many([object_key(key) for key in keys]).values():
            if failure is not None:
                raise failure
    MediaObject.objects.filter(key__in=keys, owner=owner).expire(timedelta(0))
    _refuse_claimed(owner, uploads)


def _others_in_ledger(owner: str, keys: Sequence[str]) -> set[str]:
    rows = MediaObject.objects.filter(key__in=keys).exclude(owner=owner)
    return set(rows.values_list("key", flat=True))


def _others_in_bucket(bucket: Bucket, owner: str, keys: Sequence[str]) -> set[str]:
    strangers = set()
    for key, outcome in zip(
        keys, each(lambda key: bucket.stat(object_key(key)), keys), strict=True
    ):
        if isinstance(outcome, NoSuchKey):
            continue
        if isinstance(outcome, Exception):
            raise outcome
        if outcome.metadata.get(OWNER_METADATA) != owner:
            strangers.add(key)
    return strangers


def _refuse_claimed(owner: str, uploads: Mapping[str, str]) -> None:
    problems, retry_after = [], None
    for key, state in MediaObject.objects.filter(
        owner=owner, key__in=uploads, state__in=[State.ATTACHED, State.PROMOTING]
    ).values_list("key", "state"):
        if state == State.ATTACHED:
            detail = "A record holds this upload. Delete it from the record."
            problems.append(Problem(uploads[key], "attached", detail))
        else:
            detail = "This upload is being attached just now."
            problems.append(Problem(uploads[key], "attaching", detail))
            retry_after = RETRY_ATTACHING
    if problems:
        raise UploadsInUse(problems, retry_after=retry_after)
