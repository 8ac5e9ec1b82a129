"""Bucket against moto in process, and against servers that fail as real ones do."""

import os
import pickle
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from moto import mock_aws

from conftest import Buckets
from sign_s3 import bucket, storage
from sign_s3.bucket import (
    Bucket,
    BucketAccessDenied,
    BucketException,
    BucketUnavailable,
    Multipart,
    NoSuchBucket,
    NoSuchKey,
    ObjectInfo,
    Part,
    PreconditionFailed,
    UnknownBucketException,
)

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _a_client_as_it_was() -> Iterator[None]:
    """Tests here call `init`; those after them expect what the settings say."""
    yield
    storage._places.cache_clear()
    storage.media_bucket()


@pytest.fixture
def operations() -> Iterator[list[str]]:
    """The S3 operations a test asked for, in order."""
    seen: list[str] = []
    stop = bucket.on_request(seen.append)
    yield seen
    stop()


# ---------------------------------------------------------------- objects


def test_what_is_put_can_be_got(buckets: Buckets) -> None:
    buckets.media.put("a", b"\x00\xff", {"userid": "alice"})
    assert buckets.media.get("a") == (b"\x00\xff", {"userid": "alice"})


def test_a_text_is_put_as_utf_8(buckets: Buckets) -> None:
    buckets.media.put("a", "é")
    assert buckets.media.get("a") == (b"\xc3\xa9", {})


def test_stat_tells_everything_but_the_bytes(buckets: Buckets) -> None:
    buckets.media.put("a", b"abc", {"userid": "alice"}, content_type="image/png")
    info = buckets.media.stat("a")
    assert info == ObjectInfo(
        key="a",
        size=3,
        etag='"900150983cd24fb0d6963f7d28e17f72"',
        last_modified=info.last_modified,
        content_type="image/png",
        metadata={"userid": "alice"},
    )
    assert abs(info.last_modified - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 3, b"abc"), (2, 2, b"cd"), (4, 100, b"ef"), (0, 100, b"abcdef"), (6, 1, b"")],
)
def test_a_range_ends_where_the_object_ends(
    buckets: Buckets, start: int, length: int, expected: bytes
) -> None:
    buckets.media.put("a", b"abcdef", content_type="image/png")
    data, info = buckets.media.read_range("a", start, length)
    assert (data, info.size, info.content_type) == (expected, 6, "image/png")


def test_a_range_is_one_request(buckets: Buckets, operations: list[str]) -> None:
    buckets.media.put("a", b"abcdef")
    operations.clear()
    buckets.media.read_range("a", 0, 3)
    assert operations == ["GetObject"]


def test_a_range_of_an_empty_object_is_empty(buckets: Buckets) -> None:
    buckets.media.put("a", b"", {"userid": "alice"})
    data, info = buckets.media.read_range("a", 0, 100)
    assert (data, info.size, info.metadata) == (b"", 0, {"userid": "alice"})


def test_a_deleted_object_is_gone_and_may_be_deleted_again(buckets: Buckets) -> None:
    buckets.media.put("a", b"abc")
    buckets.media.delete("a")
    buckets.media.delete("a")
    with pytest.raises(NoSuchKey):
        buckets.media.get("a")


def test_many_are_deleted_in_one_call(buckets: Buckets, operations: list[str]) -> None:
    for key in "abc":
        buckets.media.put(key, b"abc")
    operations.clear()
    assert buckets.media.delete_many(["a", "b", "b", "never"]) == {
        "a": None,
        "b": None,
        "never": None,
    }
    assert operations == ["DeleteObjects"]
    assert [info.key for info in buckets.media.list()] == ["c"]


def test_deleting_nothing_asks_nobody(operations: list[str]) -> None:
    assert Bucket("anything").delete_many([]) == {}
    assert operations == []


def test_more_than_s3_takes_in_one_call_is_refused() -> None:
    with pytest.raises(ValueError, match="1001 keys"):
        Bucket("anything").delete_many(str(number) for number in range(1001))


# ---------------------------------------------------------------- what is missing


Call = Callable[[Bucket, Path], object]
EVERY_READ: list[Call] = [
    lambda b, _: b.get("a"),
    lambda b, _: b.stat("a"),
    lambda b, _: b.read_range("a", 0, 1),
    lambda b, path: b.download_file("a", path),
    lambda b, _: b.copy_from(b, "a", source_etag='"x"', size=1, content_type="image/png"),
]


@pytest.mark.parametrize("call", EVERY_READ)
class TestWhatIsMissing:
    def test_a_missing_key_is_told_from_a_missing_bucket(
        self, buckets: Buckets, tmp_path: Path, call: Call
    ) -> None:
        with pytest.raises(NoSuchKey) as caught:
            call(buckets.media, tmp_path / "a")
        assert (caught.value.bucket, caught.value.key) == ("test-media", "a")
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_bucket_is_told_from_a_missing_key(
        self, buckets: Buckets, tmp_path: Path, call: Call
    ) -> None:
        with pytest.raises(NoSuchBucket) as caught:
            call(Bucket("nowhere"), tmp_path / "a")
        assert (caught.value.bucket, caught.value.key) == ("nowhere", "a")
        assert list(tmp_path.iterdir()) == []


def test_a_bucket_knows_whether_it_exists(buckets: Buckets) -> None:
    assert (buckets.media.exists(), Bucket("nowhere").exists()) == (True, False)


def test_creating_ones_own_bucket_again_changes_nothing(buckets: Buckets) -> None:
    buckets.media.put("a", b"abc")
    buckets.media.create()
    assert buckets.media.exists()
    assert buckets.media.get("a") == (b"abc", {})


def test_a_bucket_can_be_created_in_the_region_that_has_no_name() -> None:
    with mock_aws():
        bucket.init("access", "secret", region="us-east-1")
        Bucket("somewhere").create()
        assert Bucket("somewhere").exists()


def test_every_exception_says_what_and_survives_pickling() -> None:
    exceptions = [
        BucketException("b", "broken"),
        NoSuchBucket("b", "k", "no bucket"),
        NoSuchKey("b", "k", "no key"),
        PreconditionFailed("b", "k", "another"),
        BucketAccessDenied("b", "no"),
        BucketUnavailable("b", "later"),
        UnknownBucketException("b", "Teapot", "short and stout"),
    ]
    assert [str(exc) for exc in exceptions] == [
        "b: broken",
        "b/k: no bucket",
        "b/k: no key",
        "b/k: another",
        "b: no",
        "b: later",
        "b: Teapot: short and stout",
    ]
    for exc in exceptions:
        copy = pickle.loads(pickle.dumps(exc))
        assert (type(copy), vars(copy)) == (type(exc), vars(exc))
        assert isinstance(exc, BucketException)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("size", [0, 5, 20 * MIB + 1])
def test_files_of_any_size_go_up_and_come_down(buckets: Buckets, tmp_path: Path, size: int) -> None:
    (tmp_path / "up").write_bytes(data := os.urandom(size))
    up: list[int] = []
    down: list[int] = []

    buckets.media.upload_file(
        tmp_path / "up", "a", metadata={"userid": "alice"}, content_type="video/mp4",
        progress=up.append,
    )  # fmt: skip
    buckets.media.download_file("a", tmp_path / "down", progress=down.append)

    assert (tmp_path / "down").read_bytes() == data
    assert sum(up) == sum(down) == size
    info = buckets.media.stat("a")
    assert (info.content_type, info.metadata) == ("video/mp4", {"userid": "alice"})


def test_open_files_serve_as_well_as_paths(buckets: Buckets) -> None:
    buckets.media.upload_file(BytesIO(b"abc"), "a")
    buckets.media.download_file("a", file := BytesIO())
    assert file.getvalue() == b"abc"


def test_a_file_that_cannot_be_read_is_an_os_error(buckets: Buckets, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        buckets.media.upload_file(tmp_path / "none", "a")


def test_a_failed_download_leaves_the_file_that_was_there(buckets: Buckets, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(NoSuchKey):
        buckets.media.download_file("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_progress_is_told_to_the_thread_that_waits(buckets: Buckets) -> None:
    threads = set()
    buckets.media.upload_file(
        BytesIO(bytes(20 * MIB)), "a", progress=lambda _: threads.add(threading.get_ident())
    )
    assert threads == {threading.get_ident()}


def test_progress_that_raises_stops_the_transfer(buckets: Buckets) -> None:
    def give_up(_: int) -> None:
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError):
        buckets.media.upload_file(BytesIO(bytes(20 * MIB)), "a", progress=give_up)
    with pytest.raises(NoSuchKey):
        buckets.media.stat("a")
    assert list(buckets.media.list_multiparts()) == []


# ---------------------------------------------------------------- copies

# The first is one CopyObject, the second is in parts.
LIMITS = pytest.mark.parametrize("single_limit", [12 * MIB, 5 * MIB])


@LIMITS
def test_a_copy_gets_its_own_headers(buckets: Buckets, single_limit: int) -> None:
    data = os.urandom(12 * MIB)
    buckets.incoming.put("a", data, {"userid": "alice", "x": "y"}, content_type="text/html")
    done: list[int] = []

    buckets.media.copy_from(
        buckets.incoming, "a",
        source_etag=buckets.incoming.stat("a").etag, size=len(data), content_type="image/png",
        content_disposition="inline", cache_control="max-age=1", metadata={"userid": "alice"},
        progress=done.append, single_limit=single_limit, part_size=5 * MIB,
    )  # fmt: skip

    assert buckets.media.get("a") == (data, {"userid": "alice"})
    assert buckets.media.stat("a").content_type == "image/png"
    assert sum(done) == len(data)
    assert len(done) == (1 if single_limit == 12 * MIB else 3)


@LIMITS
def test_a_copy_that_finds_no_source_names_the_source(buckets: Buckets, single_limit: int) -> None:
    with pytest.raises(NoSuchKey) as caught:
        buckets.media.copy_from(
            buckets.incoming, "a",
            source_etag='"x"', size=12 * MIB, content_type="image/png", single_limit=single_limit,
        )  # fmt: skip
    assert (caught.value.bucket, caught.value.key) == ("test-incoming", "a")


# ---------------------------------------------------------------- multipart uploads


def test_a_multipart_upload_is_listed_until_it_is_aborted(buckets: Buckets) -> None:
    upload_id = buckets.incoming.create_multipart("a", "video/mp4", {"userid": "alice"}, "private")
    (found,) = buckets.incoming.list_multiparts()
    assert found == Multipart("a", upload_id, found.initiated)
    assert buckets.incoming.list_parts("a", upload_id) == []

    buckets.incoming.abort_multipart("a", upload_id)

    assert list(buckets.incoming.list_multiparts()) == []
    with pytest.raises(NoSuchKey):
        buckets.incoming.list_parts("a", upload_id)


def test_a_part_that_never_came_cannot_be_completed(buckets: Buckets) -> None:
    upload_id = buckets.incoming.create_multipart("a", "video/mp4", {})
    with pytest.raises(UnknownBucketException) as caught:
        buckets.incoming.complete_multipart("a", upload_id, [Part(1, '"x"')])
    assert caught.value.error_code == "InvalidPart"


# ---------------------------------------------------------------- credentials and the client


def test_keys_given_to_init_are_the_credentials() -> None:
    bucket.init("access", "secret", session_token="token")
    found = bucket.credentials()
    assert (found.access_key, found.secret_key, found.token) == ("access", "secret", "token")
    assert found.expires_at is None
    assert bucket.credentials() is found


def test_credentials_come_from_the_environment_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "chained")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "chained-secret")
    bucket.init()
    found = bucket.credentials()
    assert (found.access_key, found.secret_key, found.token) == ("chained", "chained-secret", None)
    assert bucket.credentials() is found


def test_without_credentials_the_message_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    bucket.init(region="eu-west-1")
    with pytest.raises(BucketAccessDenied, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        bucket.credentials()
    with pytest.raises(BucketAccessDenied, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        Bucket("anything").get("a")


def test_the_credentials_of_a_role_know_their_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    program = tmp_path / "credentials"
    program.write_text(
        '#!/bin/sh\necho \'{"Version": 1, "AccessKeyId": "role", "SecretAccessKey": "secret", '
        f'"SessionToken": "token", "Expiration": "{end.isoformat()}"}}\'\n'
    )
    program.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    bucket.init(region="eu-west-1")

    found = bucket.credentials()

    assert (found.access_key, found.token, found.expires_at) == ("role", "token", end)
    assert bucket.credentials() is found


def test_a_callback_can_refuse_a_request_before_it_is_sent(buckets: Buckets) -> None:
    def refuse(operation: str) -> None:
        raise RuntimeError(f"no {operation} now")

    stop = bucket.on_request(refuse)
    with pytest.raises(RuntimeError, match="no PutObject now"):
        buckets.media.put("a", b"abc")
    stop()
    assert list(buckets.media.list()) == []


def test_threads_that_start_together_share_one_client(buckets: Buckets) -> None:
    barrier = threading.Barrier(8)

    def put(number: int) -> None:
        barrier.wait()
        buckets.media.put(str(number), b"abc")

    bucket.init("access", "secret", region="eu-west-1")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    assert len(list(buckets.media.list())) == 8


# ---------------------------------------------------------------- servers that fail


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
