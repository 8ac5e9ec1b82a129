"""Issue: signed forms for keys of our own making. No database, no S3.

path → destination → N random keys → N policies that pin bucket, key, type, acl, owner and size
"""

import time
from datetime import UTC, datetime

from sign_s3.conf import conf
from sign_s3.destinations import Destination
from sign_s3.fields import destination_for_path
from sign_s3.keys import MEDIA_PREFIX, new_id
from sign_s3.services.errors import Problem, UploadsRefused
from sign_s3.signing import PresignedPost
from sign_s3.storage import incoming_signer


def issue(*, owner: str, mime: str, path: str, number: int) -> list[PresignedPost]:
    """Sign ``number`` forms for uploads of type ``mime`` to the destination declared as ``path``.

    Raises `UploadsRefused` if no field declares that path or it does not take that type, and
    `CredentialsExpired` if the credentials have ended.
    """
    destination = destination_for_path(path)
    if destination is None:
        raise UploadsRefused([Problem("path", "unknown_path", "No upload goes to this path.")])
    extension = destination.types.get(mime)
    if extension is None:
        raise UploadsRefused([Problem("mime", "type_not_allowed", _types_taken(destination))])
    now = int(time.time())
    start = MEDIA_PREFIX + destination.expand(datetime.fromtimestamp(now, UTC))
    settings = conf()
    return incoming_signer().posts(
        [start + new_id() + extension for _ in range(number)],
        content_type=mime,
        owner=owner,
        max_size=destination.max_size,
        min_size=destination.min_size,
        acl=settings.default_acl,
        now=now,
        expires_in=settings.policy_seconds,
    )


def _types_taken(destination: Destination) -> str:
    return f"This path takes {', '.join(destination.types)}."
