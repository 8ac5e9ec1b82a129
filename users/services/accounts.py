"""Opening and deleting an account."""

from django.db import IntegrityError, transaction

from users.models import User


class EmailTaken(Exception):
    """Another account has this email."""


def sign_up(*, email: str, password: str, nickname: str) -> User:
    """Open an account; `EmailTaken`. The constraint decides, also between two at once."""
    try:
        # In no transaction of its own but the save's: the hash takes a while, and SQLite has one
        # writer at a time.
        return User.objects.create_user(email=email, password=password, nickname=nickname)
    except IntegrityError as exc:
        if User.objects.filter(email=User.objects.normalize_email(email)).exists():
            raise EmailTaken from exc
        raise


def delete_account(*, user_id: str) -> None:
    """Delete an account and everything of it. Gone already is fine.

    Its files are released by the triggers of the rows that go.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is not None:
            user.delete()
