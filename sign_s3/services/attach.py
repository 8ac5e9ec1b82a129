"""Attach: a record claims uploads, all or nothing.

    inspect   read each upload's head from the incoming bucket; nothing is written
    claim     one transaction: a ledger row a key, promoting, under this attempt's lease token
    promote   copy to the media bucket, each copy pinned to the ETag that was inspected
    commit    one transaction: the record is saved and every row still under the token is attached

The order, the pin, the exclusive claim and the token are each necessary: without any one of them a
model of this protocol loses data or serves bytes nobody inspected (docs/design.md). S3 is never
called inside a transaction. Whatever fails, the worker only gives its lease up; the sweep clears
what is left.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from django.db import Error as DatabaseFailure
from django.db import IntegrityError, transaction

from sign_s3.bucket import BucketException, NoSuchKey, PreconditionFailed
from sign_s3.conf import conf
from sign_s3.destinations import Destination
from sign_s3.inspection import OWNER_METADATA, Inspected, Refused, inspect
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.services import quota
from sign_s3.services.errors import RETRY_ATTACHING, Problem, UploadsInUse, UploadsRefused
from sign_s3.services.store import each, waiting_for_store
from sign_s3.storage import incoming_bucket, media_bucket

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

#: What browsers show in place; everything else they are told to download, and so is SVG, which is a
#: document with scripts.
INLINE_TYPES = ("image/", "video/")
DOCUMENT_TYPES = "+xml"
#: Keys are never written twice, so a served file never changes.
CACHE_CONTROL = "private, max-age=31536000, immutable"
PUBLIC_CACHE_CONTROL = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Upload:
    """A key a record wants, the field's destination, and where in the request it stood."""

    key: str
    destination: Destination
    attr: str


def attach(*, owner: str, uploads: Sequence[Upload], save: Callable[[Sequence[Inspected]], T]) -> T:
    """Attach every upload to the record that ``save`` writes, or none; return what that returns.

    ``save`` is given what was found of each upload, in their order. It runs inside the transaction
    that commits the ledger, so it must not call S3. Raises
    `UploadsRefused` (a 400), `UploadsInUse` (a 409), `StoreBusy` and the bucket's exceptions (503),
    and whatever ``save`` raises. The same call may be sent again after any of the last two.
    """
    if not uploads:
        with transaction.atomic(durable=True):
            return save([])
    refuse_repeats(uploads)
    with waiting_for_store():
        inspected = _inspect_all(owner, uploads)
        token = uuid.uuid4()
        try:
            _claim(owner, uploads, inspected, token)
            _promote(owner, uploads, inspected, token)
            result = _commit(token, inspected, save)
        except BaseException:
            _give_up(token)
            raise
        _discard_incoming([upload.key for upload in uploads])
    return result


def refuse_repeats(uploads: Sequence[Upload]) -> None:
    """Raise `UploadsRefused` if a key stands here twice."""
    seen: Counter[str] = Counter()
    problems = []
    for upload in uploads:
        seen[upload.key] += 1
        if seen[upload.key] > 1:
            problems.append(Problem(upload.attr, "repeated", "This key stands here twice."))
    if problems:
        raise UploadsRefused(problems)


def _inspect_all(owner: str, uploads: Sequence[Upload]) -> list[Inspected]:
    bucket = incoming_bucket()
    outcomes = each(
        lambda upload: inspect(
            bucket=bucket, key=upload.key, owner=owner, destination=upload.destination
        ),
        uploads,
    )
    problems = [
        Problem(upload.attr, outcome.code, outcome.detail)
        for upload, outcome in zip(uploads, outcomes, strict=True)
        if isinstance(outcome, Refused)
    ]
    if problems:
        # An upload that a record of the caller's holds already has left the incoming bucket.
        _refuse_taken(owner, uploads)
        raise UploadsRefused(problems)
    return _results(outcomes)


def _claim(
    owner: str, uploads: Sequence[Upload], inspected: Sequence[Inspected], token: uuid.UUID
) -> None:
    """One promoting row a key under our token, or none at all."""
    lease = conf().lease
    rows = [MediaObject(owner=owner, **asdict(item)) for item in inspected]
    try:
        # As a rule no key has a row yet, and then the insert says all there is to know.
        with transaction.atomic(durable=True):
            quota.check(owner=owner, adding=inspected)
            MediaObject.objects.claim(rows, token=token, lease=lease, only_all=True)
    except IntegrityError:
        _claim_what_is_left(owner, uploads, inspected, token)


def _claim_what_is_left(
    owner: str, uploads: Sequence[Upload], inspected: Sequence[Inspected], token: uuid.UUID
) -> None:
    """The same where some keys have rows already, which may be the owner's to take over."""
    lease = conf().lease
    rows = [MediaObject(owner=owner, **asdict(item)) for item in inspected]
    try:
        with transaction.atomic(durable=True):
            quota.check(owner=owner, adding=inspected)
            MediaObject.objects.claim(rows, token=token, lease=lease)
            held = set(MediaObject.objects.holding(token).values_list("key", flat=True))
            # By key, as they went in, or two attempts at the same keys might deadlock.
            for item in sorted(inspected, key=lambda item: item.key):
                if item.key not in held and not MediaObject.objects.take_over(
                    key=item.key, owner=owner, etag=item.etag, token=token, lease=lease
                ):
                    raise _Taken  # noqa: TRY301 - it must leave the transaction to undo it
    except _Taken:
        _refuse_taken(owner, uploads)
        # The row that stood in the way is gone: its attempt ended between the two looks at it.
        raise UploadsInUse(
            [Problem(upload.attr, "attaching", "Send this again.") for upload in uploads],
            retry_after=RETRY_ATTACHING,
        ) from None


def _refuse_taken(owner: str, uploads: Sequence[Upload]) -> None:
    """Say why the ledger does not let this owner have these keys, if it does not."""
    by_key = {upload.key: upload for upload in uploads}
    rows = MediaObject.objects.filter(key__in=by_key)
    refused, in_use, retry_after = [], [], None
    for row in rows:
        attr = by_key[row.key].attr
        if row.owner != owner:
            refused.append(
                Problem(attr, "not_uploaded", "Nothing has been uploaded under this key.")
            )
        elif row.state == State.ATTACHED:
            in_use.append(Problem(attr, "attached", "A record of yours holds this key already."))
        elif row.state == State.PROMOTING:
            in_use.append(Problem(attr, "attaching", "Another request is attaching this key."))
            retry_after = RETRY_ATTACHING
        else:
            refused.append(Problem(attr, "released", "This file was deleted. Upload it again."))
    if refused:
        raise UploadsRefused(refused)
    if in_use:
        raise UploadsInUse(in_use, retry_after=retry_after)


def _promote(
    owner: str, uploads: Sequence[Upload], inspected: Sequence[Inspected], token: uuid.UUID
) -> None:
    """Copy each upload to the media bucket, if it still is the one that was inspected."""
    source, target, settings = incoming_bucket(), media_bucket(), conf()

    def copy(pair: tuple[Upload, Inspected]) -> None:
        upload, item = pair
        inline = item.content_type.startswith(INLINE_TYPES) and not item.content_type.endswith(
            DOCUMENT_TYPES
        )
        target.copy_from(
            source,
            object_key(item.key),
            source_etag=item.etag,
            size=item.size,
            content_type=item.content_type,
            content_disposition="inline" if inline else "attachment",
            cache_control=PUBLIC_CACHE_CONTROL if upload.destination.public else CACHE_CONTROL,
            single_limit=settings.single_copy_limit,
            # For whoever has to rebuild the ledger from the bucket.
            metadata={OWNER_METADATA: owner},
        )

    outcomes = each(
        copy,
        list(zip(uploads, inspected, strict=True)),
        every=settings.lease.total_seconds() / 3,
        meanwhile=lambda: _renew(token),
    )
    problems = [
        Problem(upload.attr, "changed", "The upload changed while it was being attached.")
        for upload, outcome in zip(uploads, outcomes, strict=True)
        if isinstance(outcome, PreconditionFailed | NoSuchKey)
    ]
    if problems:
        raise UploadsRefused(problems)
    _results(outcomes)


def _renew(token: uuid.UUID) -> None:
    try:
        MediaObject.objects.renew(token, conf().lease)
    except DatabaseFailure:
        # The copy goes on: the commit asks for the token in any case.
        logger.warning("could not renew a lease", exc_info=True)


def _commit(
    token: uuid.UUID, inspected: Sequence[Inspected], save: Callable[[Sequence[Inspected]], T]
) -> T:
    with transaction.atomic(durable=True):
        result = save(inspected)
        if MediaObject.objects.commit(token) != len(inspected):
            raise UploadsInUse(
                [Problem("", "lease_lost", "Attaching took too long. Send this again.")],
                retry_after=RETRY_ATTACHING,
            )
    return result


def _give_up(token: uuid.UUID) -> None:
    try:
        MediaObject.objects.end_lease(token)
    except DatabaseFailure:
        # It ends by itself then, and the sweep comes by.
        logger.warning("could not end a lease", exc_info=True)


def _discard_incoming(keys: Iterable[str]) -> None:
    """Best effort: the lifecycle rule of the incoming bucket takes what stays."""
    try:
        failures = incoming_bucket().delete_many([object_key(key) for key in keys])
    except BucketException as exc:
        logger.info("incoming copies stay for the lifecycle rule: %s", exc)
        return
    for failure in failures.values():
        if failure is not None:
            logger.info("an incoming copy stays for the lifecycle rule: %s", failure)


def _results(outcomes: Sequence[R | Exception]) -> list[R]:
    results = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        results.append(outcome)
    return results


class _Taken(Exception):
    """A key's row is not ours to take; the claim rolls back."""
