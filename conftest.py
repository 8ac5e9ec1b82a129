"""Fixtures shared by every app's tests."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto import mock_aws

from sign_s3.bucket import Bucket
from sign_s3.storage import incoming_bucket, media_bucket


@dataclass(frozen=True, slots=True)
class Buckets:
    """Both buckets, empty, on an S3 inside this process."""

    incoming: Bucket
    media: Bucket


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    """An in-process S3. It enforces no policy, signature or expiry: it proves nothing about them."""
    with mock_aws():
        made = Buckets(incoming_bucket(), media_bucket())
        made.incoming.create()
        made.media.create()
        yield made
