"""Opening and deleting an account."""

from collections.abc import Iterable

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


def lock_accounts(user_ids: Iterable[str], *, to_delete: bool = False) -> None:
    """Lock these accounts until the transaction ends, always in the same order.

    Before anything of theirs is changed or deleted: who locks a record first and its account later
    waits in a circle with who does it the other way round. `to_delete` also keeps out whoever is
    about to refer to them.
    """
    accounts = User.objects.select_for_update(no_key=not to_delete).order_by("pk")
    list(accounts.filter(pk__in=[*user_ids]).values_list("pk"))


def delete_account(*, user_id: str) -> None:
    """Delete an account and everything of it. Gone already is fine.

    Its files are released by the triggers of the rows that go.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is not None:
            user.delete()
