"""What the services ask of S3, held against the S3 in memory and against moto alike."""

import contextlib
from collections.abc import Iterator

import pytest
from moto import mock_aws

from sign_s3.bucket import Bucket, BucketUnavailable, NoSuchBucket, NoSuchKey, PreconditionFailed
from sign_s3.conf import conf
from sign_s3.keys import object_key
from sign_s3.services.issue import issue
from sign_s3.signing import PresignedPost
from sign_s3.storage import incoming_bucket, media_bucket
from sign_s3.tests.app.models import PHOTOS
from sign_s3.tests.protocol.store import Answer, Call, FormRefused, MemoryS3, deleted, unavailable

OTHER_ETAG = '"00000000000000000000000000000000"'


@contextlib.contextmanager
def in_memory() -> Iterator[None]:
    with MemoryS3(conf().incoming_bucket, conf().media_bucket).serving():
        yield


@contextlib.contextmanager
def on_moto() -> Iterator[None]:
    with mock_aws():
        incoming_bucket().create()
        media_bucket().create()
        yield


@pytest.fixture(params=[in_memory, on_moto], autouse=True)
def store(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.param():
        yield


def copy(key: str, etag: str) -> None:
    media_bucket().copy_from(
        incoming_bucket(),
        key,
        source_etag=etag,
        size=3,
        content_type="image/png",
        content_disposition="inline",
        metadata={"userid": "alice"},
    )


def test_what_is_put_is_read_with_its_type_owner_and_etag() -> None:
    incoming_bucket().put("é/a b", b"abc", {"userid": "alice"}, content_type="image/gif")
    data, info = incoming_bucket().read_range("é/a b", 1, 10)
    assert (data, info.size, info.content_type, info.metadata) == (
        b"bc",
        3,
        "image/gif",
        {"userid": "alice"},
    )
    assert info.etag == '"900150983cd24fb0d6963f7d28e17f72"'
    assert incoming_bucket().stat("é/a b").etag == info.etag
    assert incoming_bucket().get("é/a b")[0] == b"abc"


def test_a_range_beyond_the_end_is_empty() -> None:
    incoming_bucket().put("a", b"abc")
    assert incoming_bucket().read_range("a", 3, 10)[0] == b""


@pytest.mark.parametrize("read", ["get", "stat"])
def test_what_is_not_there_is_missing(read: str) -> None:
    with pytest.raises(NoSuchKey):
        getattr(incoming_bucket(), read)("a")
    with pytest.raises(NoSuchBucket):
        getattr(Bucket("no-such-bucket"), read)("a")


def test_a_copy_takes_the_bytes_and_other_headers() -> None:
    incoming_bucket().put("a b", b"abc", {"userid": "bob", "more": "1"}, content_type="image/gif")
    copy("a b", incoming_bucket().stat("a b").etag)
    info = media_bucket().stat("a b")
    assert (info.content_type, info.metadata) == ("image/png", {"userid": "alice"})
    assert media_bucket().get("a b")[0] == b"abc"
    assert incoming_bucket().get("a b")[0] == b"abc"


def test_a_copy_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(NoSuchKey):
        copy("a", OTHER_ETAG)
    assert not list(media_bucket().list())


def test_deletes_are_answered_one_by_one_and_need_nothing_there() -> None:
    for key in ("a", "b", "c&d"):
        incoming_bucket().put(key, b"abc")
    assert incoming_bucket().delete_many(["a", "c&d", "e"]) == {"a": None, "c&d": None, "e": None}
    incoming_bucket().delete("e")
    assert [info.key for info in incoming_bucket().list()] == ["b"]
    incoming_bucket().delete("b")
    assert not list(incoming_bucket().list())


# ------------------------------------------------------------------ the one in memory alone


def test_a_copy_of_another_object_is_refused(memory_s3: MemoryS3) -> None:
    """As S3 does it; moto ignores the precondition."""
    incoming_bucket().put("a", b"abc")
    with pytest.raises(PreconditionFailed):
        copy("a", OTHER_ETAG)
    assert not list(media_bucket().list())


def a_form(memory_s3: MemoryS3) -> PresignedPost:
    form = issue(owner="alice", mime="image/png", path=PHOTOS.path, number=1)[0]
    assert isinstance(form, PresignedPost)
    return form


def test_a_form_posts_what_its_policy_allows(memory_s3: MemoryS3) -> None:
    form = a_form(memory_s3)
    memory_s3.post(form, b"abc")
    (info,) = incoming_bucket().list()
    found = incoming_bucket().stat(info.key)
    assert (found.key, found.content_type) == (form.fields["key"], "image/png")
    assert found.metadata == {"userid": "alice"}


@pytest.mark.parametrize("name", ["key", "Content-Type", "x-amz-meta-userid", "acl"])
def test_an_edited_form_is_refused(memory_s3: MemoryS3, name: str) -> None:
    form = a_form(memory_s3)
    with pytest.raises(FormRefused):
        memory_s3.post(form._replace(fields={**form.fields, name: "other"}), b"abc")
    with pytest.raises(FormRefused):
        memory_s3.post(form, b"")
    assert not list(incoming_bucket().list())


def test_it_fails_as_it_is_told_to(memory_s3: MemoryS3) -> None:
    memory_s3.intercept = lambda _: unavailable()
    with pytest.raises(BucketUnavailable):
        incoming_bucket().put(object_key("a"), b"abc")

    def some(call: Call) -> Answer:
        return deleted(call.keys[:1], failed=call.keys[1:])

    memory_s3.intercept = some
    first, second = incoming_bucket().delete_many(["a", "b"]).values()
    assert first is None
    assert isinstance(second, BucketUnavailable)
