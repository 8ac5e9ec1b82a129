"""Connections that clients keep open."""

import httpx
import pytest

from e2e.live import LiveService

REPEATS = 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/sign_s3/", 401),
        ("POST", "/no/such/address/", 404),
        ("DELETE", "/posts/nothing/", 401),
        ("GET", "/healthz", 200),
    ],
)
def test_an_answer_that_needs_no_body_leaves_the_connection_usable(
    live_service: LiveService, client: httpx.Client, method: str, path: str, status: int
) -> None:
    """With the body left unread about one in twenty-five would lose the next request."""
    for _ in range(REPEATS):
        answer = client.request(
            method, live_service.url + path, json={"x": "y" * 200}, headers={"Authorization": "?"}
        )
        assert answer.status_code == status
