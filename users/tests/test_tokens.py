"""POST /auth/token/, /auth/token/refresh/, /auth/token/revoke/"""

import logging
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from sign_s3.keys import new_id
from users.models import SignIn, User
from users.services.sign_ins import MAX_SIGN_INS
from users.tests.sessions import PASSWORD, REFRESH_REFUSED, bearer, problem, sign_in_as

pytestmark = pytest.mark.django_db

INVALID_CREDENTIALS = problem(
    "invalid_credentials", "No active account has this email and password."
)


def token(**body: Any) -> Any:
    return APIClient().post("/auth/token/", body)


def refresh(refresh_token: str) -> Any:
    return APIClient().post("/auth/token/refresh/", {"refresh": refresh_token})


def revoke(refresh_token: str) -> Any:
    return APIClient().post("/auth/token/revoke/", {"refresh": refresh_token})


def works(access: str) -> bool:
    status: int = bearer(access).get("/users/me/").status_code
    assert status in (200, 401)
    return status == 200


# ---------------------------------------------------------------- signing in


def test_signing_in_gives_five_minutes_and_thirty_days(alice: User, settings: LazySettings) -> None:
    answer = token(email="ALICE@example.com", password=PASSWORD)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json().keys() == {"access", "refresh"}
    sign_in = alice.sign_ins.get()
    for name, seconds in (("access", 300), ("refresh", 30 * 24 * 3600)):
        claims = jwt.decode(answer.json()[name], settings.SECRET_KEY, algorithms=["HS256"])
        assert claims["exp"] - claims["iat"] == seconds
        assert (claims["sub"], claims["sid"]) == (alice.pk, sign_in.pk)
    assert works(answer.json()["access"])


@pytest.mark.parametrize(
    "body",
    [
        {"email": "alice@example.com", "password": "wrong"},
        {"email": "nobody@example.com", "password": PASSWORD},
        {"email": "not an email", "password": PASSWORD},
    ],
)
def test_wrong_credentials_are_one_401(alice: User, body: dict[str, str]) -> None:
    answer = token(**body)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json() == INVALID_CREDENTIALS
    assert not SignIn.objects.exists()


def test_an_inactive_account_cannot_sign_in(alice: User) -> None:
    User.objects.update(is_active=False)
    answer = token(email=alice.email, password=PASSWORD)
    assert (answer.status_code, answer.json()) == (401, INVALID_CREDENTIALS)


def test_an_account_without_a_password_cannot_be_signed_in_to(db: None) -> None:
    user = User.objects.create_user(email="c@example.com", nickname="Charlie")
    answer = token(email=user.email, password=user.password)
    assert (answer.status_code, answer.json()) == (401, INVALID_CREDENTIALS)


class FewerRounds(PBKDF2PasswordHasher):
    """A hash that outweighs the rest of a request, and no more than that."""

    iterations = 100_000


def test_an_unknown_email_takes_as_long_as_a_wrong_password(
    alice: User, settings: LazySettings
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.FewerRounds"]
    alice.set_password(PASSWORD)
    alice.save()

    def quickest(email: str) -> float:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            assert token(email=email, password="wrong").status_code == 401
            times.append(time.perf_counter() - started)
        return min(times)

    known, unknown = quickest("alice@example.com"), quickest("nobody@example.com")
    assert known / 3 < unknown < known * 3


def test_an_overlong_password_is_refused_before_it_is_hashed(alice: User) -> None:
    answer = token(email=alice.email, password="x" * 129)
    assert answer.status_code == 400
    assert answer.json() == problem(
        "max_length", "Ensure this field has no more than 128 characters.", "password"
    )


def test_guessing_is_limited_by_account_however_the_address_is_spelled(
    alice: User, settings: LazySettings
) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "token_account": "3/day"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    name = new_id()
    spellings = [name, name.upper(), f"  {name}", name]
    codes = [
        APIClient()
        .post(
            "/auth/token/",
            {"email": f"{spelling}@example.com", "password": "guess"},
            headers={"x-forwarded-for": f"198.51.100.{place}"},
        )
        .status_code
        for place, spelling in enumerate(spellings)
    ]
    assert codes == [401, 401, 401, 429]


def test_the_list_of_sign_ins_is_bounded(alice: User) -> None:
    for _ in range(MAX_SIGN_INS + 2):
        newest = sign_in_as(alice)
    assert alice.sign_ins.count() == MAX_SIGN_INS
    assert works(newest.access)


def test_a_long_user_agent_is_cut(alice: User) -> None:
    sign_in_as(alice, device="x" * 5000)
    assert alice.sign_ins.get().device == "x" * 200


# ---------------------------------------------------------------- refreshing


def test_refreshing_gives_a_new_pair(alice: User) -> None:
    first = sign_in_as(alice)
    answer = refresh(first.refresh)
    assert answer.status_code == 200
    second = answer.json()
    assert second.keys() == {"access", "refresh"}
    assert second["refresh"] != first.refresh
    assert works(second["access"])
    assert refresh(second["refresh"]).status_code == 200
    assert alice.sign_ins.count() == 1


def test_a_refresh_token_used_again_ends_that_sign_in_alone(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    stolen, other = sign_in_as(alice), sign_in_as(alice)
    second = refresh(stolen.refresh).json()
    with caplog.at_level(logging.WARNING):
        answer = refresh(stolen.refresh)
    assert (answer.status_code, answer.json()) == (401, REFRESH_REFUSED)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert not works(second["access"])
    assert not works(stolen.access)
    assert refresh(second["refresh"]).status_code == 401
    assert works(other.access)
    assert "A refresh token was used twice" in caplog.text
    assert stolen.refresh not in caplog.text


def test_refreshing_takes_no_access_token(alice: User) -> None:
    session = sign_in_as(alice)
    answer = refresh(session.access)
    assert (answer.status_code, answer.json()) == (401, REFRESH_REFUSED)
    assert works(session.access)


@pytest.mark.parametrize("change", [{"is_active": False}, None])
def test_nobody_refreshes_for_an_inactive_or_deleted_user(
    alice: User, change: dict[str, Any] | None
) -> None:
    session = sign_in_as(alice)
    if change:
        User.objects.update(**change)
    else:
        alice.delete()
    answer = refresh(session.refresh)
    assert (answer.status_code, answer.json()) == (401, REFRESH_REFUSED)


def test_a_sign_in_that_ran_out_cannot_be_refreshed(alice: User) -> None:
    session = sign_in_as(alice)
    SignIn.objects.update(expires_at=timezone.now())
    assert refresh(session.refresh).status_code == 401
    assert not works(session.access)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é" * 20, "x" * 9000])
def test_rubbish_is_no_refresh_token(db: None, text: str) -> None:
    for call in (refresh, revoke):
        assert call(text).status_code in (400, 401)


def test_a_refresh_token_must_be_text(db: None) -> None:
    answer = APIClient().post("/auth/token/refresh/", {"refresh": 1})
    assert answer.status_code == 400
    assert answer.json() == problem("invalid", "Not a valid string.", "refresh")


# ---------------------------------------------------------------- revoking


def test_revoking_ends_that_sign_in_alone(alice: User) -> None:
    session, other = sign_in_as(alice), sign_in_as(alice)
    for _ in range(2):
        answer = revoke(session.refresh)
        assert (answer.status_code, answer.json()) == (200, {})
    assert not works(session.access)
    assert refresh(session.refresh).status_code == 401
    assert works(other.access)


def test_a_token_used_before_still_revokes(alice: User) -> None:
    session = sign_in_as(alice)
    second = refresh(session.refresh).json()
    assert revoke(session.refresh).status_code == 200
    assert not works(second["access"])


def test_a_forged_token_revokes_nothing(alice: User) -> None:
    session = sign_in_as(alice)
    claims = jwt.decode(session.refresh, options={"verify_signature": False})
    forged = jwt.encode(claims, "another-secret-" * 5, algorithm="HS256")
    answer = revoke(forged)
    assert (answer.status_code, answer.json()) == (401, REFRESH_REFUSED)
    assert works(session.access)


# ---------------------------------------------------------------- clearing


def test_what_ran_out_is_cleared(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    sign_in_as(alice)
    SignIn.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    alive = SignIn.objects.create(user=alice, expires_at=timezone.now() + timedelta(days=1))
    call_command("clear_sign_ins")
    assert capsys.readouterr().out == "1 deleted\n"
    assert [*SignIn.objects.all()] == [alive]


def test_signing_in_clears_ones_own(alice: User) -> None:
    sign_in_as(alice)
    SignIn.objects.update(expires_at=timezone.now())
    sign_in_as(alice)
    assert alice.sign_ins.count() == 1
