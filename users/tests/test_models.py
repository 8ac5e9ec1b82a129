"""What the database and the models themselves hold to."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction

from users.models import User
from users.tests.sessions import PASSWORD, sign_in_as

pytestmark = pytest.mark.django_db


def test_the_database_refuses_a_second_account_and_capitals(alice: User) -> None:
    for email in ("alice@example.com", "Bob@example.com"):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.bulk_create([User(email=email, nickname="Mallory")])


def test_many_may_have_no_email(db: None) -> None:
    for _ in range(2):
        User.objects.create_user(email=None, nickname="Charlie")
    assert User.objects.filter(email=None).count() == 2


def test_cleaning_normalises_the_email(db: None) -> None:
    user = User(email="Alice@EXAMPLE.com", nickname="Alice")
    user.set_password(PASSWORD)
    user.full_clean()
    assert user.email == "alice@example.com"
    # The Kelvin sign, a k in lower case, and an i without a dot, an I in upper case.
    for email in ("\u212aelvin@example.com", "al\u0131ce@example.com"):
        user.email = email
        with pytest.raises(ValidationError):
            user.full_clean()


def test_any_save_of_a_new_password_ends_the_sign_ins(alice: User) -> None:
    sign_in_as(alice)
    alice.nickname = "Alicia"
    alice.save()
    assert alice.sign_ins.count() == 1
    alice.set_password("staple battery horse")
    alice.save()
    assert alice.sign_ins.count() == 0


def test_a_rehashed_password_ends_nothing(alice: User, settings: object) -> None:
    sign_in_as(alice)
    hashers = ["PBKDF2PasswordHasher", "MD5PasswordHasher"]
    settings.PASSWORD_HASHERS = [  # type: ignore[attr-defined]
        f"django.contrib.auth.hashers.{name}" for name in hashers
    ]
    sign_in_as(alice)
    alice.refresh_from_db()
    assert alice.password.startswith("pbkdf2_")
    assert alice.sign_ins.count() == 2


def test_the_migrations_are_complete(db: None) -> None:
    call_command("makemigrations", "users", check=True, dry_run=True, verbosity=0)
