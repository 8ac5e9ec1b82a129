"""Multipart: uploads in parts, for files too large to send again from the start.

    begin       a key of our making, a multipart upload at S3, and the ticket for both
    sign_parts  URLs to send parts to                             no database, no S3
    list_parts  what arrived so far
    complete    the object, if its parts weigh no more than the destination takes
    abort       the upload dropped, and its parts

The object lands in the incoming bucket like any other and is inspected like any other when a record
claims it. S3 cannot limit what is sent to a part's URL, so the weighing is here, by S3's own list.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from sign_s3.bucket import Bucket, NoSuchKey, Part, UnknownBucketException
from sign_s3.conf import conf
from sign_s3.inspection import OWNER_METADATA
from sign_s3.keys import bare_key, object_key
from sign_s3.services.errors import Problem, UploadsRefused
from sign_s3.services.issue import accepted, new_names
from sign_s3.services.store import waiting_for_store
from sign_s3.services.ticket import Ticket, unknown
from sign_s3.storage import incoming_bucket, incoming_signer

#: What S3 says of parts it will not join ("CompleteMultipartUpload"), and what we say then.
_NOT_JOINED: Final[Mapping[str, tuple[str, str]]] = {
    "InvalidPart": ("invalid_part", "A part is not there any more as it was listed."),
    "InvalidPartOrder": ("invalid_part", "The parts are not in order."),
    "EntityTooSmall": ("part_too_small", "Every part but the last must have 5 MiB at least."),
    "EntityTooLarge": ("too_large", "The parts have too many bytes."),
}


def begin(*, owner: str, mime: str, path: str) -> Ticket:
    """Begin an upload of type ``mime`` to the destination declared as ``path``.

    Owner, type and acl are set here, since a part's URL pins none of them. Raises `UploadsRefused`
    like `issue`, and the bucket's exceptions.
    """
    destination, extension = accepted(mime=mime, path=path)
    [name] = new_names(destination, extension, 1, now=int(time.time()))
    with waiting_for_store():
        upload_id = incoming_bucket().create_multipart(
            name, mime, {OWNER_METADATA: owner}, conf().default_acl
        )
    return Ticket(upload_id, bare_key(name), owner, destination.max_size)


def sign_parts(ticket: Ticket, numbers: Iterable[int]) -> dict[int, str]:
    """A URL to PUT each part to, by its number.

    They live as long as a form does. A part is signed for when it is about to be sent, and S3 looks
    at the time only when the request arrives; whoever was too slow asks again.
    """
    settings, signer, now = conf(), incoming_signer(), int(time.time())
    return {
        number: signer.presign(
            "PUT",
            object_key(ticket.key),
            now=now,
            expires_in=settings.policy_seconds,
            params={"partNumber": str(number), "uploadId": ticket.upload_id},
        )
        for number in numbers
    }


def list_parts(ticket: Ticket) -> Sequence[Part]:
    """The parts that arrived, by number. Raises `UnknownUploads` if the upload is over."""
    try:
        with waiting_for_store():
            return incoming_bucket().list_parts(object_key(ticket.key), ticket.upload_id)
    except NoSuchKey as exc:
        raise unknown() from exc


def complete(ticket: Ticket, named: Sequence[Part]) -> str:
    """Make the object of the parts that the client names; where it is, as clients reach S3.

    What counts are the ETags and sizes that S3 lists: S3 joins no part whose ETag is another by
    then, so none can be exchanged for a heavier one after the weighing. Raises `UploadsRefused`,
    having aborted the upload if it is too large, and `UnknownUploads` if it is over; but a
    completion that succeeded before succeeds again, since its answer may have been lost.
    """
    bucket, name = incoming_bucket(), object_key(ticket.key)
    with waiting_for_store():
        try:
            parts = _agreed(named, bucket.list_parts(name, ticket.upload_id))
            weight = sum(part.size for part in parts)
            if weight > ticket.limit:
                bucket.abort_multipart(name, ticket.upload_id)
                detail = f"The parts have {weight} bytes; {ticket.limit} are taken here."
                raise UploadsRefused([Problem("parts", "too_large", detail)])
            bucket.complete_multipart(name, ticket.upload_id, parts)
        except NoSuchKey as exc:
            if not _is_there(bucket, ticket):
                raise unknown() from exc
        except UnknownBucketException as exc:
            if exc.error_code not in _NOT_JOINED:
                raise
            raise UploadsRefused([Problem("parts", *_NOT_JOINED[exc.error_code])]) from exc
    location = incoming_signer().location
    return location.origin + location.root + quote(name)


def abort(ticket: Ticket) -> None:
    """Drop the upload and its parts; nothing happens if it is over."""
    try:
        with waiting_for_store():
            incoming_bucket().abort_multipart(object_key(ticket.key), ticket.upload_id)
    except NoSuchKey:
        pass


def _agreed(named: Sequence[Part], listed: Iterable[Part]) -> list[Part]:
    """S3's account of the parts that the client named, by number, if both tell the same."""
    there = {part.number: part for part in listed}
    problems = [
        Problem(f"parts.{place}", "invalid_part", f"S3 has no part {part.number} of this ETag.")
        for place, part in enumerate(named)
        if part.number not in there or _bare(there[part.number].etag) != _bare(part.etag)
    ]
    if problems:
        raise UploadsRefused(problems)
    return [there[number] for number in sorted(part.number for part in named)]


def _bare(etag: str) -> str:
    # Some clients keep the quotes that belong to an ETag (RFC 9110, section 8.8.3), some do not.
    return etag.strip('"')


def _is_there(bucket: Bucket, ticket: Ticket) -> bool:
    try:
        info = bucket.stat(object_key(ticket.key))
    except NoSuchKey:
        return False
    return info.metadata.get(OWNER_METADATA) == ticket.owner
