"""An S3 in memory, put below botocore where a request would be sent.

It knows the operations that the services use and answers them as S3 does; the same tests hold it
and moto to that (`sign_s3.tests.test_memory_s3`). Form posts are held to their policy.
"""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError

from sign_s3 import storage
from sign_s3.bucket import connection
from sign_s3.signing import PresignedPost

META: Final = "x-amz-meta-"
#: What GET and HEAD give back of what PUT and COPY were given.
KEPT_HEADERS: Final = ("content-type", "content-disposition", "cache-control")
WRITTEN: Final = "Thu, 01 Jan 2026 00:00:00 GMT"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object. ``origin`` is the number of the post or put its bytes came with."""

    data: bytes
    headers: Mapping[str, str]
    origin: int

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it is about to be sent."""

    operation: str
    bucket: str
    keys: tuple[str, ...]
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.operation} {self.bucket} {' '.join(self.keys)}"


class FormRefused(Exception):
    """The form is not what the policy says."""


class Cut(ConnectionClosedError):
    """No answer came. The request may have taken effect."""

    def __init__(self) -> None:
        super().__init__(endpoint_url="S3")


class _Raw(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


class MemoryS3:
    """Two buckets and whatever is asked of them.

    ``intercept`` gets each call and how to perform it; it may refuse, wait, or raise `Cut`.
    """

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {name: {} for name in buckets}
        self.calls: list[Call] = []
        self.intercept: Callable[[Call], Answer] = self.perform
        #: A store that ignores preconditions: as if they were not sent.
        self.ignores_preconditions = False
        self._origins = 0

    def clear(self) -> None:
        for objects in self.buckets.values():
            objects.clear()
        self.calls.clear()
        self.intercept = self.perform
        self.ignores_preconditions = False

    def post(self, form: PresignedPost, data: bytes) -> int:
        """What a client does with a form, at a time when it is not over; the post's number."""
        policy = json.loads(base64.b64decode(form.fields["policy"]))
        bucket = ""
        for condition in policy["conditions"]:
            if isinstance(condition, list):
                _, least, most = condition
                if not least <= len(data) <= most:
                    raise FormRefused(f"{len(data)} bytes")
                continue
            ((name, value),) = condition.items()
            if name == "bucket":
                bucket = value
            elif form.fields.get(name) != value:
                raise FormRefused(name)
        headers = {
            name.lower(): value
            for name, value in form.fields.items()
            if name.lower() == "content-type" or name.startswith(META)
        }
        return self._write(bucket, form.fields["key"], data, headers)

    def _write(self, bucket: str, key: str, data: bytes, headers: Mapping[str, str]) -> int:
        self._origins += 1
        self.buckets[bucket][key] = Stored(data, headers, self._origins)
        return self._origins

    # ------------------------------------------------------------------ below botocore

    @contextmanager
    def serving(self) -> Iterator["MemoryS3"]:
        """Inside, the services' client talks to this."""
        storage.media_bucket()  # the settings in force choose the client
        events: Any = connection._connection.client().meta.events
        events.register_first("before-send.s3", self._send)
        try:
            yield self
        finally:
            events.unregister("before-send.s3", self._send)

    def _send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        call = _call(event_name.rpartition(".")[2], request)
        self.calls.append(call)
        answer = self.intercept(call)
        headers: Any = {**answer.headers, "Content-Length": str(len(answer.body))}
        return AWSResponse(
            request.url,
            answer.status,
            headers,
            _Raw(b"" if request.method == "HEAD" else answer.body),
        )

    def perform(self, call: Call) -> Answer:
        """The call takes effect."""
        if call.bucket not in self.buckets:
            return failure(404, "NoSuchBucket")
        perform: Callable[[Call], Answer] = getattr(self, f"_{call.operation}")
        return perform(call)

    def _HeadBucket(self, call: Call) -> Answer:  # noqa: N802 - named as the operations are
        return Answer(200)

    def _PutObject(self, call: Call) -> Answer:  # noqa: N802
        self._write(call.bucket, call.keys[0], call.body, _kept(call.headers))
        return Answer(200, headers={"ETag": self.buckets[call.bucket][call.keys[0]].etag})

    def _HeadObject(self, call: Call) -> Answer:  # noqa: N802
        found = self.buckets[call.bucket].get(call.keys[0])
        return Answer(200, found.data, _described(found)) if found else failure(404, "NoSuchKey")

    def _GetObject(self, call: Call) -> Answer:  # noqa: N802
        found = self.buckets[call.bucket].get(call.keys[0])
        if found is None:
            return failure(404, "NoSuchKey")
        if (span := call.headers.get("range")) is None:
            return Answer(200, found.data, _described(found))
        first, last = (int(end) for end in span.removeprefix("bytes=").split("-"))
        size, data = len(found.data), found.data[first : last + 1]
        if not data:
            return failure(416, "InvalidRange")
        span = f"bytes {first}-{first + len(data) - 1}/{size}"
        return Answer(206, data, {**_described(found), "Content-Range": span})

    def _CopyObject(self, call: Call) -> Answer:  # noqa: N802
        source = unquote(call.headers["x-amz-copy-source"]).lstrip("/")
        bucket, _, key = source.partition("/")
        found = self.buckets.get(bucket, {}).get(key)
        if found is None:
            return failure(404, "NoSuchKey")
        wanted = call.headers.get("x-amz-copy-source-if-match", found.etag)
        if wanted != found.etag and not self.ignores_preconditions:
            return failure(412, "PreconditionFailed")
        copied = replace(found, headers=_kept(call.headers))
        self.buckets[call.bucket][call.keys[0]] = copied
        body = f"<CopyObjectResult><ETag>{escape(found.etag)}</ETag></CopyObjectResult>"
        return Answer(200, body.encode())

    def _DeleteObject(self, call: Call) -> Answer:  # noqa: N802
        self.buckets[call.bucket].pop(call.keys[0], None)
        return Answer(204)

    def _DeleteObjects(self, call: Call) -> Answer:  # noqa: N802
        for key in call.keys:
            self.buckets[call.bucket].pop(key, None)
        return deleted(call.keys)

    def _ListObjectsV2(self, call: Call) -> Answer:  # noqa: N802
        prefix = parse_qs(urlsplit(call.url).query).get("prefix", [""])[0]
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(stored.data)}</Size>"
            f"<ETag>{escape(stored.etag)}</ETag><LastModified>2026-01-01T00:00:00.000Z"
            "</LastModified></Contents>"
            for key, stored in sorted(self.buckets[call.bucket].items())
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        return Answer(200, body.encode())


# ---------------------------------------------------------------------- answers


def failure(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


def unavailable() -> Answer:
    return failure(503, "SlowDown")


def deleted(keys: tuple[str, ...], failed: tuple[str, ...] = ()) -> Answer:
    """To DeleteObjects: these are gone, those are not."""
    parts = [f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys]
    parts += [
        f"<Error><Key>{escape(key)}</Key><Code>InternalError</Code><Message>no</Message></Error>"
        for key in failed
    ]
    return Answer(200, f"<DeleteResult>{''.join(parts)}</DeleteResult>".encode())


def _call(operation: str, request: AWSPreparedRequest) -> Call:
    url = urlsplit(request.url)
    host = url.netloc.partition(".")[0]
    path = unquote(url.path).lstrip("/")
    bucket, key = (path.partition("/")[::2]) if host == "s3" else (host, path)
    headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
    body = _bytes(request.body)
    keys: tuple[str, ...] = (key,) if key else ()
    if operation == "DeleteObjects":
        keys = tuple(
            item.text or "" for item in ET.fromstring(body).iter() if item.tag.endswith("Key")
        )
    return Call(operation, bucket, keys, request.url, headers, body)


def _described(found: Stored) -> dict[str, str]:
    return {
        "ETag": found.etag,
        "Last-Modified": WRITTEN,
        "Content-Type": "binary/octet-stream",
        **found.headers,
    }


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name in KEPT_HEADERS or name.startswith(META)
    }


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    """A request's body: bytes, nothing or a file."""
    if hasattr(body, "read"):
        body = body.read()
    return bytes(body or b"")
