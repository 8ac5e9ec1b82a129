"""What every test of the S3 client starts from."""

from collections.abc import Iterator

import pytest

from sign_s3 import bucket, storage


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
