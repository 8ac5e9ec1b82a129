"""POST /auth/password/reset/, /auth/password/reset/confirm/"""

import re
import secrets
import socket
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from rest_framework.test import APIClient, APIRequestFactory

from users.models import User
from users.tests.sessions import SIGN_IN_OVER, problem, sign_in_as
from users.views.passwords import ResetView

pytestmark = pytest.mark.django_db

NEW = "staple battery horse"
LINK_REFUSED = problem("token_not_valid", "This link is not valid, or was used before.", "token")


def ask(email: str) -> Any:
    return APIClient().post("/auth/password/reset/", {"email": email})


def confirm(uid: str, token: str, new: str = NEW) -> Any:
    return APIClient().post(
        "/auth/password/reset/confirm/", {"uid": uid, "token": token, "new": new}
    )


def mailed() -> tuple[str, str]:
    """The uid and token of the newest mail."""
    found = re.search(r"uid: (\S+)\ntoken: (\S+)\n", str(mail.outbox[-1].body))
    assert found is not None
    return found[1], found[2]


def test_a_reset_sets_the_password_and_ends_every_sign_in(alice: User) -> None:
    session = sign_in_as(alice)
    answer = ask("Alice@Example.com")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    uid, token = mailed()
    assert mail.outbox[0].body == (
        "Hello Alice,\n\nsomebody, you we hope, asked to reset your password. "
        "This can be done once, within 60 minutes.\n\n"
        f"uid: {uid}\ntoken: {token}\n\n"
        "If it was not you, there is nothing to do: your password is as it was.\n\n"
    )
    answer = confirm(uid, token)
    assert (answer.status_code, answer.content) == (204, b"")
    refused = session.client.get("/users/me/")
    assert (refused.status_code, refused.json()) == (401, SIGN_IN_OVER)
    sign_in_as(alice, NEW)


def test_the_link_leads_to_the_page_of_the_app(alice: User, settings: LazySettings) -> None:
    settings.PASSWORD_RESET_URL = "https://app.example/reset#{uid}/{token}"
    ask("alice@example.com")
    assert re.search(
        rf"\nhttps://app\.example/reset#{alice.pk}/\w+-\w+\n", str(mail.outbox[0].body)
    )


def test_the_answer_does_not_tell_whether_the_email_is_known(alice: User) -> None:
    known, unknown = ask("alice@example.com"), ask("nobody@example.com")
    assert known.status_code == unknown.status_code == 204
    assert known.content == unknown.content == b""
    assert known.headers.keys() == unknown.headers.keys()
    assert len(mail.outbox) == 1


def test_an_account_without_a_password_or_inactive_gets_no_mail(alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    bob.set_unusable_password()
    bob.save()
    assert ask("alice@example.com").status_code == ask("bob@example.com").status_code == 204
    assert mail.outbox == []


def test_an_email_is_asked_for(db: None) -> None:
    answer = ask("nonsense")
    assert answer.status_code == 400
    assert answer.json() == problem("invalid", "Enter a valid email address.", "email")


def test_the_mail_leaves_after_the_answer(alice: User) -> None:
    request = APIRequestFactory().post("/auth/password/reset/", {"email": "alice@example.com"})
    answer = ResetView.as_view()(request)
    assert (answer.status_code, mail.outbox) == (204, [])
    answer.close()
    assert len(mail.outbox) == 1


def test_a_failing_mail_server_is_logged_and_not_told(
    alice: User, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        settings.EMAIL_HOST, settings.EMAIL_PORT = unused.getsockname()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert ask("alice@example.com").status_code == 204
    assert f"The reset mail for user {alice.pk} could not be sent" in caplog.text


# ---------------------------------------------------------------- confirming


def test_a_link_works_once(alice: User) -> None:
    ask("alice@example.com")
    link = mailed()
    assert confirm(*link).status_code == 204
    again = confirm(*link, new="yet another password")
    assert (again.status_code, again.json()) == (400, LINK_REFUSED)
    sign_in_as(alice, NEW)


def test_a_link_is_for_one_account(alice: User, bob: User) -> None:
    ask("alice@example.com")
    _, token = mailed()
    for uid in (bob.pk, "nobody"):
        answer = confirm(uid, token)
        assert (answer.status_code, answer.json()) == (400, LINK_REFUSED)
    sign_in_as(bob)


def test_a_link_runs_out(alice: User, settings: LazySettings) -> None:
    ask("alice@example.com")
    settings.PASSWORD_RESET_TIMEOUT = -1
    answer = confirm(*mailed())
    assert (answer.status_code, answer.json()) == (400, LINK_REFUSED)


def test_a_link_ends_with_a_changed_password_or_email(alice: User) -> None:
    ask("alice@example.com")
    User.objects.filter(pk=alice.pk).update(email="alice@example.org")
    assert confirm(*mailed()).json() == LINK_REFUSED


@pytest.mark.parametrize("token", ["x", "a-b", "é-é", "-", "zzzzzzzzzzzzzzzz-1"])
def test_rubbish_is_no_link(alice: User, token: str) -> None:
    answer = confirm(alice.pk, token)
    assert (answer.status_code, answer.json()) == (400, LINK_REFUSED)


def test_a_weak_password_leaves_the_link_good(alice: User) -> None:
    ask("alice@example.com")
    link = mailed()
    answer = confirm(*link, new="83759204617")
    assert answer.status_code == 400
    assert answer.json() == problem(
        "password_entirely_numeric", "This password is entirely numeric.", "new"
    )
    assert confirm(*link).status_code == 204


def test_mails_to_one_address_are_limited(alice: User, settings: LazySettings) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "password_reset": "2/day"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    # Callers that no earlier run had: on Redis they are counted all day.
    network = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    codes = [
        APIClient(REMOTE_ADDR=f"{network}.{place}")
        .post("/auth/password/reset/", {"email": f"{alice.pk}@example.com"})
        .status_code
        for place in range(3)
    ]
    assert codes == [204, 204, 429]
