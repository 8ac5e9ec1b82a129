"""Fixtures shared by every app's tests."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from moto import mock_aws
from rest_framework.test import APIClient

from local.pictures import picture
from sign_s3.bucket import Bucket
from sign_s3.keys import bare_key
from sign_s3.storage import incoming_bucket, media_bucket
from users.models import SignIn, User
from users.tokens import issue_pair


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests of several seconds each to whoever asks for them, as .ci/run does."""
    if os.environ.get("SLOW"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: SLOW=1 runs it"))


@dataclass(frozen=True, slots=True)
class Buckets:
    """Both buckets, empty, on an S3 inside this process."""

    incoming: Bucket
    media: Bucket


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    """An S3 in process. It enforces no policy, signature or expiry, so it proves none."""
    with mock_aws():
        made = Buckets(incoming_bucket(), media_bucket())
        made.incoming.create()
        made.media.create()
        yield made


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """A client that is signed in as a user."""

    def signed_in(user: User) -> APIClient:
        opened = SignIn.objects.create(
            user=user, device="tests", expires_at=timezone.now() + timedelta(days=1)
        )
        pair = issue_pair(user_id=user.pk, sign_in_id=opened.pk, refresh_id=opened.refresh_id)
        return APIClient(headers={"Authorization": f"Bearer {pair.access}"})

    return signed_in


def _user(name: str) -> User:
    return User.objects.create_user(email=f"{name}@example.com", nickname=name)


@pytest.fixture
def alice(db: None) -> User:
    return _user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return _user("bob")


@pytest.fixture
def charlie(db: None) -> User:
    return _user("charlie")


@pytest.fixture
def upload(buckets: Buckets) -> Callable[..., str]:
    """Signs for an upload and puts it where S3 would; returns its key without the media prefix."""

    def put(
        client: APIClient,
        path: str,
        data: bytes | None = None,
        *,
        mime: str = "image/png",
        stored_as: str | None = None,
    ) -> str:
        answer = client.post("/sign_s3/", {"mime": mime, "path": path, "number": 1})
        assert answer.status_code == 201, answer.content
        fields = answer.json()[0]["fields"]
        buckets.incoming.put(
            fields["key"],
            picture("PNG") if data is None else data,
            {"userid": fields["x-amz-meta-userid"]},
            content_type=stored_as or fields["Content-Type"],
        )
        return bare_key(fields["key"])

    return put
