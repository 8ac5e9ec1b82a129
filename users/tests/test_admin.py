"""Accounts in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from users.models import OutsideIdentity, User
from users.tests.sessions import PASSWORD, SIGN_IN_OVER, sign_in_as

pytestmark = pytest.mark.django_db

NEW = "staple battery horse"


@pytest.fixture
def staff(db: None) -> Client:
    User.objects.create_superuser(email="root@example.com", password=PASSWORD, nickname="Root")
    browser = Client()
    assert browser.login(username="root@example.com", password=PASSWORD)
    return browser


def test_accounts_are_listed_found_and_shown(staff: Client, alice: User) -> None:
    sign_in_as(alice, device="Alice's phone")
    OutsideIdentity.objects.create(
        id=alice.pk, issuer="https://id.example", subject="a", user=alice
    )
    page = staff.get(reverse("admin:users_user_changelist"), {"q": "alice@"})
    assert "alice@example.com" in page.content.decode()
    page = staff.get(reverse("admin:users_user_change", args=[alice.pk]))
    assert "Alice&#x27;s phone" in page.content.decode()
    page = staff.get(reverse("admin:users_outsideidentity_changelist"))
    assert "https://id.example" in page.content.decode()


def test_an_account_is_added_with_an_email_of_one_spelling(staff: Client) -> None:
    answer = staff.post(
        reverse("admin:users_user_add"),
        {
            "email": "Dora@Example.com",
            "nickname": "Dora",
            "usable_password": "true",
            "password1": NEW,
            "password2": NEW,
        },
    )
    assert answer.status_code == 302
    sign_in_as(User.objects.get(email="dora@example.com"), NEW)


def test_a_taken_email_is_an_error_on_the_page(staff: Client, alice: User) -> None:
    page = staff.post(
        reverse("admin:users_user_add"),
        {
            "email": "ALICE@example.com",
            "nickname": "Dora",
            "usable_password": "true",
            "password1": NEW,
            "password2": NEW,
        },
    )
    assert page.status_code == 200
    assert "This email is taken." in page.content.decode()


def test_a_password_changed_in_the_admin_ends_the_sign_ins(staff: Client, alice: User) -> None:
    session = sign_in_as(alice)
    answer = staff.post(
        reverse("admin:auth_user_password_change", args=[alice.pk]),
        {"usable_password": "true", "password1": NEW, "password2": NEW},
    )
    assert answer.status_code == 302
    refused = session.client.get("/users/me/")
    assert (refused.status_code, refused.json()) == (401, SIGN_IN_OVER)


def test_an_account_deleted_in_the_admin_stays_deleted(staff: Client, alice: User) -> None:
    identity = OutsideIdentity.objects.create(
        id=alice.pk, issuer="https://id.example", subject="a", user=alice
    )
    answer = staff.post(
        reverse("admin:users_user_changelist"),
        {"action": "delete_selected", "_selected_action": [alice.pk], "post": "yes"},
    )
    assert answer.status_code == 302
    identity.refresh_from_db()
    assert identity.user is None
    assert identity.not_before is not None


def test_an_outside_identity_is_not_deleted_in_the_admin(staff: Client, alice: User) -> None:
    identity = OutsideIdentity.objects.create(
        id=alice.pk, issuer="https://id.example", subject="a", user=alice
    )
    address = reverse("admin:users_outsideidentity_delete", args=[identity.pk])
    assert staff.post(address, {"post": "yes"}).status_code == 403
    page = staff.get(reverse("admin:users_outsideidentity_changelist"))
    assert "delete_selected" not in page.content.decode()
    assert OutsideIdentity.objects.exists()


def test_a_user_who_is_no_staff_is_shown_the_door(alice: User) -> None:
    browser = Client()
    assert browser.login(username="alice@example.com", password=PASSWORD)
    assert browser.get(reverse("admin:users_user_changelist")).status_code == 302
