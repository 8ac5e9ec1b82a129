"""A10 and A11 from outside: whatever is sent to an endpoint, the answer is no 5xx."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from users.models import User

GOOD = {"mime": "image/png", "path": "images/users/profiles/profile_", "number": 1}
ENDPOINTS = [
    ("POST", "/sign_s3/"),
    ("DELETE", "/sign_s3/"),
    ("POST", "/users/"),
    ("PATCH", "/users/me/"),
    ("POST", "/auth/token/"),
    ("POST", "/auth/token/refresh/"),
    ("POST", "/auth/token/revoke/"),
    ("POST", "/auth/password/"),
    ("POST", "/auth/password/reset/"),
    ("POST", "/auth/password/reset/confirm/"),
    ("POST", "/posts/"),
]
HOSTILE = {
    "nested": b'{"mime":' + b"[" * 100_000,
    "nested closed": b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "long integer": b'{"mime": "image/png", "path": "x", "number": ' + b"1" * 5000 + b"}",
    "not a number": b'{"number": NaN}',
    "list": json.dumps([GOOD]).encode(),
    "lone surrogate": b'{"mime": "\\ud800", "email": "\\udfff@example.com", "caption": "\\ud83d"}',
    "duplicate keys": b'{"number": 1, "number": 2}',
    "nul": rb'{"mime": "\u0000", "email": "\u0000", "nickname": "\u0000", "caption": "\u0000"}',
    "10 MB": b'{"mime": "' + b"a" * 10_000_000 + b'"}',
    "bytes": bytes(range(256)),
    "null": b"null",
}


@pytest.fixture
def quiet(alice: User, client_of: Callable[[User], APIClient]) -> APIClient:
    """Alice's client, which answers a 500 where the test client would raise."""
    client = client_of(alice)
    client.raise_request_exception = False
    return client


def send(client: APIClient, method: str, path: str, body: bytes, kind: str) -> tuple[int, Any]:
    response = client.generic(method, path, body, kind)  # type: ignore[arg-type]
    return response.status_code, response.json() if response.content else None


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_hostile_body_is_refused_with_a_code(
    quiet: APIClient, method: str, path: str, body: bytes
) -> None:
    status, answer = send(quiet, method, path, body, "application/json")
    assert status in {400, 401, 404, 413}, answer
    assert all(error["code"] for error in answer["errors"])


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_only_json_is_read(quiet: APIClient, method: str, path: str, kind: str) -> None:
    status, answer = send(quiet, method, path, b"mime=image%2Fpng&number=1", kind)
    assert status == 415
    assert answer["errors"][0]["code"] == "unsupported_media_type"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["image/png", "images/posts/post_", "media/", "2025-01-01", "%00", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = """
    mime path number key keys email password nickname profile_image refresh old new uid token
    caption images video album name visibility
"""
NAMES = FIELDS.split()
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6).map(
    lambda body: json.dumps(body).encode()
)


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
@given(endpoint=st.sampled_from(ENDPOINTS), body=BODIES | st.binary(max_size=200) | st.just(b""))
@hypothesis_settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_at_all_is_a_500(
    quiet: APIClient, buckets: object, endpoint: tuple[str, str], body: bytes
) -> None:
    status, answer = send(quiet, *endpoint, body, "application/json")
    assert status < 500, answer
