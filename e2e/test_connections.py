"""Connections that clients keep open."""

import http.client
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from e2e.live import LiveService

BODY = b'{"x": "y"}'
#: Seconds a body comes after its headers, as over a phone's network. An answer takes a tenth.
LATE = 0.2


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
    live_service: LiveService, method: str, path: str, status: int
) -> None:
    """Answered before the body came, the connection would be closed and the next request lost."""
    host = urlsplit(live_service.url).netloc
    with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
        connection.connect()
        connection.auto_open = 0
        for _ in range(3):
            connection.putrequest(method, path)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders()
            time.sleep(LATE)
            connection.send(BODY)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            assert answer.getheader("Connection") != "close"
