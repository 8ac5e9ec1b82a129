"""Where credentials come from, and how one client serves a process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Buckets
from sign_s3 import bucket
from sign_s3.bucket import Bucket, BucketAccessDenied


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
