"""Issue: signed forms for keys of our own making. No database, no S3.

path → destination → N random keys → N policies that pin bucket, key, type, acl, owner and size
"""

import time
from datetime import UTC, datetime
from typing import NamedTuple

from sign_s3.conf import conf
from sign_s3.destinations import Destination
from sign_s3.fields import destination_for_path
from sign_s3.inspection import OWNER_METADATA
from sign_s3.keys import MEDIA_PREFIX, new_id
from sign_s3.services.errors import Problem, UploadsRefused
from sign_s3.signing import PresignedPost
from sign_s3.storage import incoming_signer


class PresignedPut(NamedTuple):
    """For a store that takes no form POSTs: send the file to ``url`` with these headers."""

    method: str
    url: str
    headers: dict[str, str]
    key: str


def issue(
    *, owner: str, mime: str, path: str, number: int
) -> list[PresignedPost] | list[PresignedPut]:
    """Sign ``number`` forms for uploads of type ``mime`` to the destination declared as ``path``.

    Raises `UploadsRefused` if no field declares that path or it does not take that type, and
    `CredentialsExpired` if the credentials have ended.
    """
    destination, extension = accepted(mime=mime, path=path)
    now = int(time.time())
    keys = new_names(destination, extension, number, now=now)
    settings, signer = conf(), incoming_signer()
    if not settings.form_posts:
        headers = {"Content-Type": mime, f"x-amz-meta-{OWNER_METADATA}": owner}
        return [
            PresignedPut(
                "PUT",
                signer.put(key, now=now, expires_in=settings.policy_seconds, headers=headers),
                headers,
                key,
            )
            for key in keys
        ]
    return signer.posts(
        keys,
        content_type=mime,
        owner=owner,
        max_size=destination.max_size,
        min_size=destination.min_size,
        acl=settings.default_acl,
        now=now,
        expires_in=settings.policy_seconds,
    )


def accepted(*, mime: str, path: str) -> tuple[Destination, str]:
    """The destination declared as ``path``, and the extension it gives to files of this type.

    Raises `UploadsRefused` if no field declares that path or it does not take that type.
    """
    destination = destination_for_path(path)
    if destination is None:
        raise UploadsRefused([Problem("path", "unknown_path", "No upload goes to this path.")])
    extension = destination.types.get(mime)
    if extension is None:
        raise UploadsRefused([Problem("mime", "type_not_allowed", _types_taken(destination))])
    return destination, extension


def new_names(destination: Destination, extension: str, number: int, *, now: int) -> list[str]:
    """Random keys with the media prefix; the dates in their path are those of `now`, in UTC."""
    start = MEDIA_PREFIX + destination.expand(datetime.fromtimestamp(now, UTC))
    return [start + new_id() + extension for _ in range(number)]


def _types_taken(destination: Destination) -> str:
    return f"This path takes {', '.join(destination.types)}."
