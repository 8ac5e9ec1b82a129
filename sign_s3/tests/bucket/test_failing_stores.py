"""What becomes of answers that are cut off, late, refusals, or unlike those of AWS."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sign_s3 import bucket
from sign_s3.bucket import (
    Bucket,
    BucketAccessDenied,
    BucketException,
    BucketUnavailable,
    NoSuchBucket,
    NoSuchKey,
    Part,
    PreconditionFailed,
    UnknownBucketException,
)

MIB = 1024 * 1024


class _Server(socketserver.ThreadingTCPServer):
    """Answers each request with the next of its answers as they are, and hangs up."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, answers: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers = answers
        self.requests: list[bytes] = []


class _Answering(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline()):
            head += line
        for line in head.splitlines():
            if line.lower().startswith(b"content-length:"):
                head += self.rfile.read(int(line.partition(b":")[2]))
        self.server.requests.append(head)
        self.wfile.write(self.server.answers.pop(0))


@contextmanager
def serving(*answers: bytes, max_attempts: int = 1, read_timeout: float = 5) -> Iterator[_Server]:
    with _Server(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        bucket.init(
            "access", "secret", region="eu-west-1", max_attempts=max_attempts,
            endpoint_url=f"http://127.0.0.1:{server.server_address[1]}", read_timeout=read_timeout,
        )  # fmt: skip
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def answer(body: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n"
    return (
        f'{head}ETag: "e"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'
        "Content-Type: image/png\r\nConnection: close\r\n\r\n"
    ).encode() + body


def error(status: str, code: str) -> bytes:
    return answer(
        f"<Error><Code>{code}</Code><Message>why</Message></Error>".encode(), status=status
    )


CUT = answer(b"ab", length=6)


def test_a_body_cut_once_is_asked_for_again() -> None:
    with serving(CUT, answer(b"abcdef")) as server:
        assert Bucket("b").get("a") == (b"abcdef", {})
    assert len(server.requests) == 2


def test_a_body_cut_twice_is_no_answer() -> None:
    with serving(CUT, CUT), pytest.raises(BucketUnavailable):
        Bucket("b").get("a")
    with serving(CUT, CUT), pytest.raises(BucketUnavailable):
        Bucket("b").read_range("a", 0, 6)


def test_a_download_that_keeps_being_cut_leaves_no_file(tmp_path: Path) -> None:
    head = answer(b"", length=6)
    with serving(head, *[CUT] * 5), pytest.raises(BucketUnavailable):
        Bucket("b").download_file("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("length", "expected"), [(2, b"bc"), (99, b"bcdef")])
def test_a_store_that_ignores_ranges_still_gives_the_range(length: int, expected: bytes) -> None:
    with serving(answer(b"abcdef")):
        data, info = Bucket("b").read_range("a", 1, length)
    assert (data, info.size) == (expected, 6)


def test_a_range_without_its_end_is_no_answer() -> None:
    with serving(b"HTTP/1.1 206 Partial Content\r\nETag: e\r\n"), pytest.raises(BucketUnavailable):
        Bucket("b").read_range("a", 0, 2)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\n", answer(b"<CopyOb", length=99),
                                   answer(b"<CopyOb")])  # fmt: skip
def test_an_answer_cut_anywhere_is_no_answer(reply: bytes) -> None:
    b = Bucket("b")
    with serving(reply), pytest.raises(BucketUnavailable):
        b.copy_from(b, "a", source_etag='"e"', size=1, content_type="image/png")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("403 Forbidden", "AccessDenied", BucketAccessDenied),
        ("403 Forbidden", "SignatureDoesNotMatch", BucketAccessDenied),
        ("403 Forbidden", "InvalidAccessKeyId", BucketAccessDenied),
        ("400 Bad Request", "ExpiredToken", BucketAccessDenied),
        ("412 Precondition Failed", "PreconditionFailed", PreconditionFailed),
        ("503 Slow Down", "SlowDown", BucketUnavailable),
        ("500 Oops", "InternalError", BucketUnavailable),
        ("400 Bad Request", "RequestTimeout", BucketUnavailable),
        ("404 Not Found", "NoSuchKey", NoSuchKey),
        ("404 Not Found", "NoSuchBucket", NoSuchBucket),
        ("400 Bad Request", "InvalidObjectState", UnknownBucketException),
    ],
)
def test_each_error_of_s3_has_its_exception(
    status: str, code: str, expected: type[BucketException]
) -> None:
    with serving(error(status, code)), pytest.raises(expected) as caught:
        Bucket("b").get("a")
    assert type(caught.value) is expected
    assert caught.value.bucket == "b"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("403 Forbidden", BucketAccessDenied),
        ("412 Precondition Failed", PreconditionFailed),
        ("503 Slow Down", BucketUnavailable),
        ("400 Bad Request", UnknownBucketException),
    ],
)
def test_a_head_has_no_body_and_its_status_decides(
    status: str, expected: type[BucketException]
) -> None:
    with serving(*[answer(b"", status=status)] * 3), pytest.raises(expected):
        Bucket("b").stat("a")


def test_a_missing_key_in_a_bucket_that_may_not_be_looked_at_is_a_missing_key() -> None:
    replies = answer(b"", status="404 Not Found"), answer(b"", status="403 Forbidden")
    with serving(*replies), pytest.raises(NoSuchKey):
        Bucket("b").stat("a")


def test_a_busy_s3_is_asked_again() -> None:
    with serving(error("503 Slow Down", "SlowDown"), answer(b"abc"), max_attempts=2):
        assert Bucket("b").get("a") == (b"abc", {})


def test_a_silent_s3_is_not_waited_for_longer_than_told() -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as silent:
        bucket.init(
            "access", "secret", region="eu-west-1", max_attempts=1, read_timeout=0.1,
            endpoint_url=f"http://127.0.0.1:{silent.server_address[1]}",
        )  # fmt: skip
        with pytest.raises(BucketUnavailable, match="ReadTimeoutError"):
            Bucket("b").get("a")


def test_nobody_listening_is_no_answer() -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as gone:
        port = gone.server_address[1]
    bucket.init(
        "a", "s", region="eu-west-1", max_attempts=1, endpoint_url=f"http://127.0.0.1:{port}"
    )
    with pytest.raises(BucketUnavailable, match="EndpointConnectionError"):
        Bucket("b").get("a")


def test_each_key_of_a_partial_delete_has_its_result() -> None:
    body = (
        b"<DeleteResult><Deleted><Key>a</Key></Deleted>"
        b"<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
        b"<Error><Key>c</Key><Code>InternalError</Code><Message>oops</Message></Error>"
        b"<Error><Key>d</Key><Code>NoSuchKey</Code><Message>none</Message></Error></DeleteResult>"
    )
    with serving(answer(body)) as server:
        results = Bucket("b").delete_many("abcde")
    assert {key: result and type(result) for key, result in results.items()} == {
        "a": None,
        "b": BucketAccessDenied,
        "c": BucketUnavailable,
        "d": None,
        "e": UnknownBucketException,
    }
    assert b"\r\nContent-MD5: " in server.requests[0]


def test_every_part_of_a_large_copy_is_held_to_the_etag() -> None:
    begun = answer(b"<R><UploadId>u</UploadId></R>")
    part = answer(b'<R><ETag>"p"</ETag></R>')
    with serving(begun, part, part, part, answer(b"<R><ETag>c</ETag></R>")) as server:
        b = Bucket("b")
        b.copy_from(
            b, "a", source_etag='"e"', size=12 * MIB, content_type="image/png",
            content_disposition="inline", cache_control="max-age=1", metadata={"userid": "alice"},
            single_limit=5 * MIB, part_size=5 * MIB,
        )  # fmt: skip
    first, *parts, last = server.requests
    assert first.startswith(b"POST /b/a?uploads")
    for header in (
        b"Content-Type: image/png",
        b"Content-Disposition: inline",
        b"Cache-Control: max-age=1",
        b"x-amz-meta-userid: alice",
    ):
        assert header in first
    assert len(parts) == 3
    for request in parts:
        assert b'\r\nx-amz-copy-source-if-match: "e"\r\n' in request
    assert last.startswith(b"POST /b/a?uploadId=u")


def test_a_small_copy_of_other_bytes_than_asked_for_is_refused() -> None:
    b = Bucket("b")
    with (
        serving(error("412 Precondition Failed", "PreconditionFailed")) as server,
        pytest.raises(PreconditionFailed),
    ):
        b.copy_from(b, "a", source_etag='"e"', size=12 * MIB, content_type="image/png")
    (request,) = server.requests
    assert b'\r\nx-amz-copy-source-if-match: "e"\r\n' in request
    assert b'\r\nx-amz-copy-if-match: "e"\r\n' in request  # as Ceph has it
    assert b"\r\nx-amz-metadata-directive: REPLACE\r\n" in request


def test_a_large_copy_of_other_bytes_than_asked_for_is_refused_and_aborted() -> None:
    begun = answer(b"<R><UploadId>u</UploadId></R>")
    changed = error("412 Precondition Failed", "PreconditionFailed")
    b = Bucket("b")
    with serving(begun, *[changed] * 2, answer(b"")) as server, pytest.raises(PreconditionFailed):
        b.copy_from(
            b, "a", source_etag='"e"', size=10 * MIB, content_type="image/png",
            single_limit=5 * MIB, part_size=5 * MIB,
        )  # fmt: skip
    assert server.requests[-1].startswith(b"DELETE /b/a?uploadId=u")


def test_listings_go_on_past_their_first_page() -> None:
    moment = b"<LastModified>2026-01-01T00:00:00Z</LastModified>"
    pages = [
        b"<R><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>a</Key><Size>1</Size><ETag>e</ETag>" + moment + b"</Contents></R>",
        b"<R><IsTruncated>false</IsTruncated>"
        b"<Contents><Key>b</Key><Size>1</Size><ETag>e</ETag>" + moment + b"</Contents></R>",
    ]
    with serving(*map(answer, pages)) as server:
        assert [info.key for info in Bucket("b").list()] == ["a", "b"]
    assert b"continuation-token=t" in server.requests[1]


def test_parts_are_listed_past_the_first_page() -> None:
    page = (
        "<R><IsTruncated>{more}</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>"
        "<Part><PartNumber>{n}</PartNumber><ETag>e</ETag><Size>5</Size></Part></R>"
    )
    pages = page.format(more="true", n=1).encode(), page.format(more="false", n=2).encode()
    with serving(*map(answer, pages)) as server:
        assert Bucket("b").list_parts("a", "u") == [Part(1, "e", 5), Part(2, "e", 5)]
    assert b"part-number-marker=1" in server.requests[1]


def test_uploads_are_listed_past_the_first_page() -> None:
    page = (
        "<R><IsTruncated>{more}</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
        "<NextUploadIdMarker>v</NextUploadIdMarker><Upload><Key>{key}</Key><UploadId>u</UploadId>"
        "<Initiated>2026-01-01T00:00:00Z</Initiated></Upload></R>"
    )
    pages = page.format(more="true", key="a").encode(), page.format(more="false", key="b").encode()
    with serving(*map(answer, pages)) as server:
        assert [upload.key for upload in Bucket("b").list_multiparts()] == ["a", "b"]
    assert b"key-marker=k" in server.requests[1]
    assert b"upload-id-marker=v" in server.requests[1]


def test_what_failed_can_be_logged_without_a_secret() -> None:
    with (
        serving(error("403 Forbidden", "SignatureDoesNotMatch")),
        pytest.raises(BucketAccessDenied) as caught,
    ):
        Bucket("b").put("a", b"abc")
    assert str(caught.value) == "b: SignatureDoesNotMatch: why"
