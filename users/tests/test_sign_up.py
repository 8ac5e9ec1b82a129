"""POST /users/"""

from typing import Any

import pytest
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from users.models import User
from users.tests.sessions import PASSWORD, problem, sign_in_as

pytestmark = pytest.mark.django_db

CHARLIE = {"email": "charlie@example.com", "password": PASSWORD, "nickname": "Charlie"}


def sign_up(**changes: Any) -> Any:
    return APIClient().post("/users/", {**CHARLIE, **changes})


def test_anybody_can_open_an_account_and_sign_in() -> None:
    answer = sign_up()
    user = User.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": user.pk,
        "email": "charlie@example.com",
        "nickname": "Charlie",
        "profile_image": None,
        "profile_image_url": None,
        "created_at": answer.json()["created_at"],
    }
    assert parse_datetime(answer.json()["created_at"]) == user.created_at
    assert len(user.pk) == 22
    assert user.password != PASSWORD
    assert sign_in_as(user).client.get("/users/me/").json() == answer.json()


def test_an_email_is_kept_in_lower_case() -> None:
    assert sign_up(email=" Charlie@Example.COM ").json()["email"] == "charlie@example.com"


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@example.com", "Alice@EXAMPLE.COM"])
def test_a_taken_email_is_refused_whatever_its_case(alice: User, email: str) -> None:
    answer = sign_up(email=email)
    assert answer.status_code == 400
    assert answer.json() == problem("unique", "This email is taken.", "email")
    assert User.objects.count() == 1


def test_a_stale_token_does_not_stand_in_the_way() -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer stale")
    assert client.post("/users/", CHARLIE).status_code == 201


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"email": "charlie"}, problem("invalid", "Enter a valid email address.", "email")),
        ({"email": 7}, problem("invalid", "Enter a valid email address.", "email")),
        ({"email": ["a@b.c"]}, problem("invalid", "Enter a valid email address.", "email")),
        (
            {"email": "a" * 250 + "@example.com"},
            problem("max_length", "Ensure this field has no more than 254 characters.", "email"),
        ),
        (
            {"email": "charl\u0131e@example.com"},
            problem("not_ascii", "Use ASCII characters only.", "email"),
        ),
        (
            {"email": "charlie@exämple.com"},
            problem("not_ascii", "Use ASCII characters only.", "email"),
        ),
        (
            {"password": "83759204617"},
            problem("password_entirely_numeric", "This password is entirely numeric.", "password"),
        ),
        (
            {"password": "charlie@example.com"},
            problem(
                "password_too_similar", "The password is too similar to the email.", "password"
            ),
        ),
        (
            {"password": "x" * 129},
            problem("max_length", "Ensure this field has no more than 128 characters.", "password"),
        ),
        ({"password": None}, problem("null", "This field may not be null.", "password")),
        ({"nickname": "  "}, problem("blank", "This field may not be blank.", "nickname")),
        (
            {"nickname": "C" * 41},
            problem("max_length", "Ensure this field has no more than 40 characters.", "nickname"),
        ),
        (
            {"nickname": "two\nlines"},
            problem("unprintable", "Use printable characters only.", "nickname"),
        ),
        (
            {"nickname": "gpj.\u202eexe"},
            problem("unprintable", "Use printable characters only.", "nickname"),
        ),
    ],
)
def test_bad_input_is_a_400_with_a_code(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    answer = sign_up(**changes)
    assert (answer.status_code, answer.json()) == (400, expected)
    assert not User.objects.exists()


def test_nul_and_lone_surrogates_are_a_400() -> None:
    for text in (r"a\u0000b", r"a\ud800b"):
        body = f'{{"email": "c@example.com", "password": "correct horse", "nickname": "{text}"}}'
        answer = APIClient().post("/users/", data=body, content_type="application/json")
        assert answer.status_code == 400


def test_every_field_is_asked_for() -> None:
    answer = APIClient().post("/users/", {})
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "errors": [
            {"code": "required", "detail": "This field is required.", "attr": attr}
            for attr in ("email", "password", "nickname")
        ],
    }


def test_nobody_makes_themselves_staff() -> None:
    assert sign_up(is_staff=True, is_superuser=True, id="x").status_code == 201
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, len(user.pk)) == (False, False, 22)


def test_emoji_are_welcome_in_a_nickname() -> None:
    family = "👨\u200d👩\u200d👧 ñandú"
    assert sign_up(nickname=family).json()["nickname"] == family
