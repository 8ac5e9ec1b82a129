"""POST /auth/password/"""

from typing import Any

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from users.models import User
from users.tests.sessions import NOT_SIGNED_IN, PASSWORD, SIGN_IN_OVER, problem, sign_in_as

pytestmark = pytest.mark.django_db

NEW = "staple battery horse"


def test_a_new_password_ends_every_other_sign_in(alice: User, bob: User) -> None:
    session, other, bobs = sign_in_as(alice), sign_in_as(alice), sign_in_as(bob)
    answer = session.client.post("/auth/password/", {"old": PASSWORD, "new": NEW})
    assert (answer.status_code, answer.content) == (204, b"")
    refused = other.client.get("/users/me/")
    assert (refused.status_code, refused.json()) == (401, SIGN_IN_OVER)
    again = APIClient().post("/auth/token/refresh/", {"refresh": other.refresh})
    assert again.status_code == 401
    assert session.client.get("/users/me/").status_code == 200
    assert bobs.client.get("/users/me/").status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    sign_in_as(alice, NEW)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"old": "wrong", "new": NEW},
            problem("incorrect", "This is not your password.", "old"),
        ),
        (
            {"old": PASSWORD, "new": "83759204617"},
            problem("password_entirely_numeric", "This password is entirely numeric.", "new"),
        ),
        (
            {"old": PASSWORD, "new": "alice@example.com"},
            problem("password_too_similar", "The password is too similar to the email.", "new"),
        ),
        ({"old": PASSWORD}, problem("required", "This field is required.", "new")),
        (
            {"old": "x" * 129, "new": NEW},
            problem("max_length", "Ensure this field has no more than 128 characters.", "old"),
        ),
    ],
)
def test_bad_input_changes_nothing(
    alice: User, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    session, other = sign_in_as(alice), sign_in_as(alice)
    answer = session.client.post("/auth/password/", body)
    assert (answer.status_code, answer.json()) == (400, expected)
    assert other.client.get("/users/me/").status_code == 200


def test_anonymous_is_refused(anonymous: APIClient, alice: User) -> None:
    answer = anonymous.post("/auth/password/", {"old": PASSWORD, "new": NEW})
    assert (answer.status_code, answer.json()) == (401, NOT_SIGNED_IN)


def test_guesses_at_the_old_password_are_limited(alice: User, settings: LazySettings) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "token_account": "2/day"}
    client = sign_in_as(alice).client
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    body = {"old": "guess", "new": NEW}
    codes = [client.post("/auth/password/", body).status_code for _ in range(3)]
    assert codes == [400, 400, 429]
