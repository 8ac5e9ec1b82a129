"""Requests of one account at the same moment, on PostgreSQL: each has a connection of its own."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from users.models import SignIn, User
from users.services.sign_ins import clear_expired
from users.tests.sessions import PASSWORD, bearer, sign_in_as

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
]

AT_ONCE = 8
NEW = "staple battery horse"


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment, each in a thread; the answers in that order."""
    start = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            start.wait()
            answers[place] = call()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def refresh(token: str) -> Any:
    return APIClient().post("/auth/token/refresh/", {"refresh": token})


def test_of_many_refreshes_of_one_token_one_succeeds_and_the_sign_in_ends(alice: User) -> None:
    for _ in range(10):
        session = sign_in_as(alice)
        answers = together(*[lambda: refresh(session.refresh)] * AT_ONCE)  # noqa: B023
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: AT_ONCE - 1}
        (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
        assert bearer(winner["access"]).get("/users/me/").status_code == 401
        assert refresh(winner["refresh"]).status_code == 401
        assert not SignIn.objects.exists()


def test_of_many_sign_ups_with_one_email_one_succeeds(db: None) -> None:
    body = {"password": PASSWORD, "nickname": "Charlie"}
    for place in range(5):
        emails = [f"charlie{place}@example.com", f"CHARLIE{place}@example.com"] * (AT_ONCE // 2)
        answers = together(
            *[
                lambda email=email: APIClient().post("/users/", {**body, "email": email})
                for email in emails
            ]
        )
        assert Counter(answer.status_code for answer in answers) == {201: 1, 400: AT_ONCE - 1}


def test_no_sign_in_with_the_old_password_survives_its_change(alice: User) -> None:
    old = PASSWORD
    for new in (NEW, PASSWORD, NEW, PASSWORD):
        session = sign_in_as(alice, old)
        body = {"email": "alice@example.com", "password": old}
        changed, *signed_in = together(
            lambda: session.client.post("/auth/password/", {"old": old, "new": new}),  # noqa: B023
            *[lambda: APIClient().post("/auth/token/", body)] * (AT_ONCE - 1),  # noqa: B023
        )
        assert changed.status_code == 204
        for answer in signed_in:
            assert answer.status_code in (200, 401)
            if answer.status_code == 200:
                token = answer.json()["access"]
                assert bearer(token).get("/users/me/").status_code == 401
        assert alice.sign_ins.count() == 1
        old = new


def test_of_many_changes_of_one_password_one_succeeds(alice: User) -> None:
    sessions = [sign_in_as(alice) for _ in range(AT_ONCE)]
    answers = together(
        *[
            lambda place=place, client=session.client: client.post(
                "/auth/password/", {"old": PASSWORD, "new": f"{NEW} {place}"}
            )
            for place, session in enumerate(sessions)
        ]
    )
    # Who had not been let in yet finds its sign-in over; who had finds the password changed.
    codes = Counter(answer.status_code for answer in answers)
    assert codes[204] == 1
    assert codes.keys() <= {204, 400, 401}


def test_an_account_can_be_deleted_while_everything_else_happens_to_it(bob: User) -> None:
    for place in range(5):
        email = f"dora{place}@example.com"
        dora = User.objects.create_user(email=email, password=PASSWORD, nickname="Dora")
        session = sign_in_as(dora)
        client = session.client
        deleted, *others = together(
            lambda: client.delete("/users/me/"),  # noqa: B023
            lambda: client.post("/auth/password/", {"old": PASSWORD, "new": NEW}),  # noqa: B023
            lambda: client.patch("/users/me/", {"nickname": "Theodora"}),  # noqa: B023
            lambda: refresh(session.refresh),  # noqa: B023
            lambda: APIClient().post("/auth/token/", {"email": email, "password": PASSWORD}),  # noqa: B023
        )
        assert deleted.status_code in (204, 401)
        assert all(answer.status_code < 500 for answer in others)
        if deleted.status_code == 204:
            assert [*User.objects.all()] == [bob]
            assert not SignIn.objects.exists()
        User.objects.exclude(pk=bob.pk).delete()


def test_clearing_does_not_wait_for_sign_ins_that_somebody_is_at(alice: User) -> None:
    for _ in range(3):
        sign_in_as(alice)
    SignIn.objects.update(expires_at=timezone.now())
    with transaction.atomic():
        held = SignIn.objects.select_for_update().first()
        (cleared,) = together(clear_expired)
        assert cleared == 2
    assert SignIn.objects.get() == held
    assert clear_expired() == 1
