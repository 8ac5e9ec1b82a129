"""How much one owner may store, counted in the ledger. Off unless SIGN_S3 sets a limit."""

import zlib
from collections.abc import Sequence

from django.db import connections, router
from django.db.models import Count, Sum

from sign_s3.conf import conf
from sign_s3.inspection import Inspected
from sign_s3.models import MediaObject, State
from sign_s3.services.errors import Problem, UploadsRefused

#: The first of an advisory lock's two numbers: whose lock it is.
_LOCK_SPACE = 0x51635


def check(*, owner: str, adding: Sequence[Inspected]) -> None:
    """Raise `UploadsRefused` if these uploads would take the owner over a limit.

    Call it inside the claiming transaction: it first takes the owner's lock, which lives as long as
    the transaction, so two claims by one owner count one after the other. (SQLite needs none: its
    transactions begin with the write lock.)
    """
    limits = conf()
    if limits.quota_bytes is None and limits.quota_files is None:
        return
    connection = connections[router.db_for_write(MediaObject)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, %s)",
                [_LOCK_SPACE, zlib.crc32(owner.encode()) - 2**31],
            )
    used = (
        MediaObject.objects.filter(owner=owner, state__in=[State.PROMOTING, State.ATTACHED])
        .exclude(key__in=[item.key for item in adding])
        .aggregate(files=Count("pk"), size=Sum("size", default=0))
    )
    files = used["files"] + len(adding)
    size = used["size"] + sum(item.size for item in adding)
    if limits.quota_files is not None and files > limits.quota_files:
        raise _over(f"You may keep {limits.quota_files} files.")
    if limits.quota_bytes is not None and size > limits.quota_bytes:
        raise _over(f"You may keep {limits.quota_bytes} bytes.")


def _over(detail: str) -> UploadsRefused:
    return UploadsRefused([Problem("", "quota_exceeded", detail)])
