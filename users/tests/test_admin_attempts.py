"""Attempts at passwords on the admin's pages, which count with those at the API."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.forms import UsernameField
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from sign_s3.api.throttling import account
from sign_s3.keys import new_id
from users.models import User
from users.tests.sessions import PASSWORD, bearer, sign_in_as

pytestmark = pytest.mark.django_db

NEW = "staple battery horse"
LOGIN = "/admin/login/"


@pytest.fixture
def root(db: None) -> User:
    """Staff of an address nobody has guessed at yet."""
    return User.objects.create_superuser(
        email=f"{new_id().lower()}@example.com", password=PASSWORD, nickname="Root"
    )


@pytest.fixture
def rates(settings: LazySettings) -> Any:
    """Sets the limits of some scopes, counted from nothing."""

    def limit(**changed: str) -> None:
        settings.REDIS_URL = None
        old = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        settings.REST_FRAMEWORK = {
            **settings.REST_FRAMEWORK,
            "DEFAULT_THROTTLE_RATES": {**old, **changed},
        }

    return limit


def log_in(email: str, password: str = "guess", browser: Client | None = None) -> Any:
    form = {"username": email, "password": password, "next": "/admin/"}
    return (browser or Client()).post(LOGIN, form)


def ask_for_a_token(email: str, password: str = "guess") -> Any:
    return APIClient().post("/auth/token/", {"email": email, "password": password})


def test_guessing_at_the_login_is_limited_however_the_address_is_spelled(
    root: User, rates: Any
) -> None:
    rates(token_account="4/day")
    email = str(root.email)
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in email)
    spellings = [email, email.upper(), f" \t{email}\u3000", wide]
    assert [log_in(spelling).status_code for spelling in spellings] == [200] * 4
    # Used up for the right password as well, under each spelling.
    assert [log_in(spelling, PASSWORD).status_code for spelling in spellings] == [429] * 4


def test_the_login_and_the_api_share_an_accounts_attempts(root: User, rates: Any) -> None:
    rates(token_account="4/day")
    email = str(root.email)
    turns = [log_in, ask_for_a_token] * 3
    assert [turn(email).status_code for turn in turns] == [200, 401, 200, 401, 429, 429]


def test_the_login_and_the_api_share_an_addresss_attempts(rates: Any) -> None:
    rates(token_address="4/day")
    turns = [log_in, ask_for_a_token] * 3
    answers = [turn(f"{new_id()}@example.com").status_code for turn in turns]
    assert answers == [200, 401, 200, 401, 429, 429]


def test_who_is_refused_by_address_uses_up_no_account(root: User, rates: Any) -> None:
    rates(token_address="2/day", token_account="3/day")
    mallory = Client(REMOTE_ADDR="192.0.2.66")
    answers = [log_in(str(root.email), browser=mallory).status_code for _ in range(9)]
    assert answers == [200, 200] + [429] * 7
    assert log_in(str(root.email), PASSWORD, Client(REMOTE_ADDR="192.0.2.67")).status_code == 302


def test_a_refusal_is_a_page_that_says_when_to_come_back(root: User, rates: Any) -> None:
    rates(token_account="1/min, 50/day")
    granted, refused = log_in(str(root.email)), log_in(str(root.email), PASSWORD)

    wait = int(refused.headers["Retry-After"])
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "sessionid" not in refused.cookies
    assert 1 <= wait <= 60
    page = refused.content.decode()
    assert f"Try again in {wait} second" in page
    assert "Traceback" not in page
    for answer in (granted, refused):
        assert answer.headers["RateLimit-Policy"] == '"min";q=1;w=60, "day";q=50;w=86400'
        assert answer.headers["RateLimit"].startswith('"min";r=0;t=')
        assert answer.headers["Cache-Control"]


def test_within_the_limits_a_right_password_signs_in(root: User, rates: Any) -> None:
    rates(token_account="3/day")
    browser = Client()
    assert log_in(str(root.email), browser=browser).status_code == 200
    signed_in = log_in(f" {str(root.email).upper()} ", PASSWORD, browser)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200


def test_looking_at_the_login_costs_nothing(rates: Any) -> None:
    rates(token_address="1/day", token_account="1/day")
    assert [Client().get(LOGIN).status_code for _ in range(3)] == [200] * 3


def test_a_forged_form_costs_its_victim_nothing(root: User, rates: Any) -> None:
    rates(token_account="1/day")
    forged = log_in(str(root.email), browser=Client(enforce_csrf_checks=True))
    assert forged.status_code == 403
    assert log_in(str(root.email), PASSWORD).status_code == 302


def test_guesses_at_ones_old_password_are_limited_here_and_at_the_api_together(
    root: User, rates: Any
) -> None:
    api = bearer(sign_in_as(root).access)
    browser = Client()
    browser.force_login(root)
    rates(token_account="2/day")
    address = reverse("admin:password_change")

    def change(old: str) -> Any:
        form = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
        return browser.post(address, form)

    assert browser.get(address).status_code == 200
    assert change("guess").status_code == 200
    assert api.post("/auth/password/", {"old": "guess", "new": NEW}).status_code == 400
    refused = change(PASSWORD)
    assert refused.status_code == 429
    assert "Try again in" in refused.content.decode()
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


#: What somebody may put into an address to look like somebody else: case, wide letters and digits,
#: the Kelvin sign, a long s, spaces of several kinds, marks that are not seen.
letters = st.sampled_from(
    "abAB@.\uff11\uff41\uff21\u017f\u212a\u0130\u0131 \t\n\x1f\u3000\u00a0\u2003\u200b\u0301"
)


@given(st.text(letters, max_size=8))
def test_every_text_that_a_form_takes_for_an_address_counts_as_that_address(text: str) -> None:
    """Django's login form folds letters, its manager case and spaces, and so must the counter."""
    for meant in (text, str(UsernameField().to_python(text))):
        address = User.objects.normalize_email(meant)
        if address.isascii():  # no other is anybody's
            assert account(text) == account(address)
