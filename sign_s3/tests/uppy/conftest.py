from collections.abc import Callable
from typing import Any

import boto3
import pytest
from rest_framework.test import APIClient

from conftest import Buckets
from sign_s3.services.ticket import Ticket
from sign_s3.tests.uppy.underway import Underway

FILM: dict[str, Any] = {"type": "video/mp4", "metadata": {"path": "videos/posts/video_"}}


@pytest.fixture
def begun(
    alice: Any, client_of: Callable[[Any], APIClient], buckets: Buckets
) -> Callable[..., Underway]:
    """Begins an upload of alice's."""

    def begin(**body: Any) -> Underway:
        client = client_of(alice)
        answer = client.post("/uppy/s3/multipart", {**FILM, **body})
        assert answer.status_code == 200, answer.content
        upload_id, key = answer.json()["uploadId"], answer.json()["key"]
        ticket = Ticket.read(upload_id, owner=alice.pk, key=key)
        return Underway(client, upload_id, key, ticket, boto3.client("s3"), buckets.incoming)

    return begin


@pytest.fixture
def underway(begun: Callable[..., Underway]) -> Underway:
    return begun()
