"""No S3 call inside a database transaction (S7), enforced.

A transaction that waits for S3 holds its locks for as long as S3 likes, and one that rolls back
cannot take back what S3 was told. ``SIGN_S3["transaction_guard"]`` says what happens to a call that
is tried there all the same: "raise" stops it, as in the tests; "log" lets it pass and logs where it
came from.
"""

import logging
from typing import Any

from django.db import connections

from sign_s3 import bucket
from sign_s3.conf import conf

logger = logging.getLogger(__name__)


class S3CallInTransaction(RuntimeError):
    """S3 was about to be called while this thread had a transaction open."""


def install() -> None:
    """Have every request of `sign_s3.bucket` looked at, in the thread that makes it."""
    bucket.on_request(check)


def check(operation: str) -> None:
    """Look for open transactions of the calling thread.

    Another thread's are invisible here, so whoever hands S3 calls to a pool asks before that.
    """
    aliases = open_transactions()
    if not aliases:
        return
    message = f"{operation} was about to be sent to S3 inside a transaction on {', '.join(aliases)}"
    if conf().transaction_guard == "raise":
        raise S3CallInTransaction(message)
    logger.error(message, stack_info=True)


def open_transactions() -> list[str]:
    """The databases this thread has a transaction open on, those around a Django TestCase aside."""
    return [
        connection.alias
        for connection in connections.all(initialized_only=True)
        if any(not _of_a_testcase(atomic) for atomic in connection.atomic_blocks)
    ]


def _of_a_testcase(atomic: Any) -> bool:
    # What Django's own durable=True goes by.
    return bool(atomic._from_testcase)  # noqa: SLF001
