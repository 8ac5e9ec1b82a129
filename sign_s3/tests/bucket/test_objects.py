"""Objects, files, copies and multipart uploads, on a store that does as it is told."""

import os
import pickle
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from moto import mock_aws

from conftest import Buckets
from sign_s3 import bucket
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
