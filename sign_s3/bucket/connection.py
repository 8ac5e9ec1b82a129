"""The one S3 client of a process, its credentials, and the SDK's errors translated.

The client is made when first needed (70 ms and 15 MB; importing boto3 is 100 ms and 26 MB), shared
by all threads, and made anew after a fork and after `init`, in a fifth of the time.
"""

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict

import boto3
from botocore import exceptions as sdk
from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from s3transfer.exceptions import RetriesExceededError, S3CopyFailedError
from urllib3.exceptions import HTTPError

from sign_s3.bucket import hooks
from sign_s3.bucket.errors import (
    BucketAccessDenied,
    BucketException,
    BucketUnavailable,
    NoSuchBucket,
    NoSuchKey,
    PreconditionFailed,
    UnknownBucketException,
)
from sign_s3.signing import AddressingStyle, Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

#: Seconds between two looks at credentials that expire; boto3 renews them 15 minutes ahead.
RECHECK_SECONDS: Final = 30.0

#: A body cut off while it is read. urllib3's own errors get past botocore in places.
CUT: Final = (sdk.HTTPClientError, sdk.IncompleteReadError, HTTPError)
_NO_ANSWER: Final = (
    *CUT,
    sdk.ConnectionError,
    sdk.CredentialRetrievalError,
    ResponseParserError,
    RetriesExceededError,
)
_NO_CREDENTIALS: Final = (sdk.NoCredentialsError, sdk.PartialCredentialsError)
_HOW_TO_SIGN: Final = (
    "no usable credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
)
#: botocore has no exception of its own for a source of credentials that gives out old ones.
_STILL_EXPIRED: Final = "refreshed credentials are still expired"
_GONE: Final = {"NoSuchKey", "NoSuchUpload", "NotFound", "404"}
_DENIED: Final = {
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_BUSY: Final = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}


@functools.cache
def _descriptions() -> Loader:
    """The SDK's descriptions of its services; to read them is most of what a client takes."""
    return create_loader(os.environ.get("AWS_DATA_PATH"))


class _ClientArgs(TypedDict, total=False):
    endpoint_url: str | None
    config: Config


class _Connection:
    """What `init` chose, with the client and the credentials that follow from it."""

    def __init__(self) -> None:
        self._session_args: dict[str, Any] = {}
        self._client_args: _ClientArgs = {}
        self._static: Credentials | None = None
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child: its parent's sockets are not its own, nor is who holds the lock."""
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._session: boto3.Session | None = None
        self._client: S3Client | None = None
        self._credentials = self._static
        self._recheck_at = float("inf")

    def choose(
        self,
        session_args: dict[str, Any],
        client_args: _ClientArgs,
        static: Credentials | None,
    ) -> None:
        with self._lock:
            old = self._client
            self._session_args, self._client_args = session_args, client_args
            self._static = static
            self._forget()
        if old is not None:
            old.close()

    # Sessions are not thread-safe, clients are (boto3's guide, "Multithreading").
    def client(self) -> "S3Client":
        if (client := self._client) is not None:
            return client
        with self._lock:
            if self._client is None:
                client = self._chain().client("s3", **self._client_args)
                hooks.install(client, aws=not self._client_args.get("endpoint_url"))
                self._client = client
            return self._client

    def _chain(self) -> boto3.Session:
        if self._session is None:
            core = get_session()
            core.register_component("data_loader", _descriptions())
            self._session = boto3.Session(botocore_session=core, **self._session_args)
        return self._session

    def credentials(self) -> Credentials:
        current = self._credentials
        if current is not None and time.monotonic() < self._recheck_at:
            return current
        # Renewing may wait for AWS a while. One thread does, the others go on with what is good.
        good = current is not None and not _is_over(current)
        lock = self._lock
        if not lock.acquire(blocking=not good) and current is not None:
            return current
        try:
            if self._credentials is not None and time.monotonic() < self._recheck_at:
                return self._credentials  # another thread renewed them meanwhile
            with translated():
                return self._look_at_credentials()
        except BucketException as exc:
            if current is None or _is_over(current):
                raise
            logger.warning("credentials could not be renewed; the old ones go on: %s", exc)
            self._recheck_at = _next_look(current.expires_at)
            return current
        finally:
            lock.release()

    def _look_at_credentials(self) -> Credentials:
        found = self._chain().get_credentials()
        if found is None:
            raise BucketAccessDenied("", _HOW_TO_SIGN)
        found.get_frozen_credentials()  # renews them if it is time
        # boto3 has no way to read keys and their end at once, and publishes new keys before their
        # end. Read in this order the end can only be too early, until the next look.
        end = getattr(found, "_expiry_time", None)
        keys = found.get_frozen_credentials()
        if not keys.access_key or not keys.secret_key:
            raise BucketAccessDenied("", _HOW_TO_SIGN)
        fresh = Credentials(keys.access_key, keys.secret_key, keys.token, end)
        self._recheck_at = _next_look(end)
        if self._credentials != fresh:
            self._credentials = fresh
        return self._credentials or fresh


def _next_look(end: datetime | None) -> float:
    """When to look at keys with this end again, by the monotonic clock."""
    if end is None:
        return float("inf")
    return time.monotonic() + min(RECHECK_SECONDS, (end - datetime.now(UTC)).total_seconds())


def _is_over(keys: Credentials) -> bool:
    return keys.expires_at is not None and keys.expires_at <= datetime.now(UTC)


_connection: Final = _Connection()
_callbacks: Final[list[Callable[[str], None]]] = []
os.register_at_fork(after_in_child=_connection.start_anew)


def init(
    access_key: str | None = None,
    secret_key: str | None = None,
    *,
    session_token: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    addressing_style: AddressingStyle = "auto",
    connect_timeout: float = 2.0,
    read_timeout: float = 10.0,
    max_attempts: int = 3,
    max_connections: int = 32,
) -> None:
    """Choose keys, region and endpoint for every bucket; what is left out boto3's chain decides.

    Timeouts are seconds, `read_timeout` those between two pieces of an answer. A request is sent at
    most `max_attempts` times, with backoff. `max_connections` should be at least the number of
    threads that call at once. Called again, it replaces the client.
    """
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": addressing_style},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        max_pool_connections=max_connections,
        tcp_keepalive=True,
        # Otherwise boto3 adds CRC32 checksums, which not every store takes.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session_args = {
        "aws_access_key_id": access_key,
        "aws_secret_access_key": secret_key,
        "aws_session_token": session_token,
        "region_name": region,
    }
    static = None
    if access_key is not None and secret_key is not None:
        static = Credentials(access_key, secret_key, session_token)
    _connection.choose(session_args, {"endpoint_url": endpoint_url, "config": config}, static)


init()


def credentials() -> Credentials:
    """The credentials in force, the same object until they change; 0.2 µs a call.

    Keys given to `init` are returned as they are. Those of a role are renewed ahead of their end,
    by one thread, whose call may wait for AWS; if that fails they are used until their end. Raises
    `BucketAccessDenied` if there are none, `BucketUnavailable` if the chain gives out none.
    """
    return _connection.credentials()


def on_request(callback: Callable[[str], None]) -> Callable[[], None]:
    """Call `callback` with the operation ("GetObject") before each request; returns its undoing.

    It runs in the thread that called the Bucket's method, and what it raises stops the request. A
    file or a copy that travels in parts counts as one operation.
    """
    _callbacks.append(callback)
    return lambda: _callbacks.remove(callback)


@contextmanager
def calling(operation: str, bucket: str, key: str = "") -> "Iterator[S3Client]":
    """The client, to send one `operation` with; what goes wrong comes out translated."""
    for callback in _callbacks:
        callback(operation)
    with translated(bucket, key):
        yield _connection.client()


@dataclass(frozen=True, slots=True)
class Named:
    """A bucket by its name, and how its methods call S3."""

    name: str

    def _calling(self, operation: str, key: str = "") -> "AbstractContextManager[S3Client]":
        return calling(operation, self.name, key)


@contextmanager
def translated(bucket: str = "", key: str = "") -> Iterator[None]:
    """Turn what the SDK raises into a `BucketException`."""
    try:
        yield
    except sdk.ClientError as exc:
        raise _refusal(exc, bucket, key) from exc
    except _NO_CREDENTIALS as exc:
        raise BucketAccessDenied(bucket, _HOW_TO_SIGN) from exc
    except _NO_ANSWER as exc:
        raise BucketUnavailable(bucket, f"{type(exc).__name__}: {exc}") from exc
    except RuntimeError as exc:
        if _STILL_EXPIRED not in str(exc):
            raise
        raise BucketUnavailable(bucket, str(exc)) from exc
    except S3CopyFailedError as exc:  # its only cause here: a part's precondition
        raise PreconditionFailed(bucket, key, str(exc)) from exc
    except sdk.BotoCoreError as exc:
        raise UnknownBucketException(bucket, type(exc).__name__, str(exc)) from exc


def _refusal(exc: sdk.ClientError, bucket: str, key: str) -> BucketException:
    """What S3 answered. To a HEAD it answers without a body, so the code is the HTTP status."""
    error: Mapping[str, Any] = exc.response.get("Error", {})
    code, message = error.get("Code", ""), error.get("Message", "")
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket" or (code in {"404", "NotFound"} and _is_missing(bucket, key)):
        return NoSuchBucket(error.get("BucketName", bucket), key, "the bucket does not exist")
    if code in _GONE:
        return NoSuchKey(bucket, key, message or "the object does not exist")
    if status == 412 or code == "PreconditionFailed":
        return PreconditionFailed(bucket, key, "the object is not the one that was asked for")
    return refusal(bucket, code, message, status)


def refusal(bucket: str, code: str, message: str, status: int = 0) -> BucketException:
    """The exception for an error of S3's that is about no key's existence."""
    if status in {401, 403} or code in _DENIED:
        return BucketAccessDenied(bucket, f"{code}: {message}")
    if status >= 500 or code in _BUSY:
        return BucketUnavailable(bucket, f"{code}: {message}")
    return UnknownBucketException(bucket, code, message)


def _is_missing(bucket: str, key: str) -> bool:
    """Whether a 404 without a body meant the bucket: asked of the bucket, unless it was asked."""
    if not key:
        return True
    try:
        with calling("HeadBucket", bucket) as s3:
            s3.head_bucket(Bucket=bucket)
    except NoSuchBucket:
        return True
    except BucketException:
        return False  # not allowed to look, or no answer: the plain reading is the object
    return False
