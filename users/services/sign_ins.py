"""Signing in, refreshing, and ending a sign-in."""

import logging
from typing import Final

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from sign_s3.keys import new_id
from users.models import SignIn, User
from users.tokens import REFRESH_LIFETIME, Access, TokenPair, issue_pair, read_refresh

logger = logging.getLogger(__name__)

#: Sign-ins that one account keeps; one more ends the oldest.
MAX_SIGN_INS: Final = 50
CLEARED_AT_ONCE: Final = 1000


class InvalidCredentials(Exception):
    """No active account has this email and password."""


class SignInOver(Exception):
    """The refresh token is not the one to be used next, or its sign-in or account is gone."""


def sign_in(*, email: str, password: str, device: str) -> TokenPair:
    """Check a password and open a sign-in; `InvalidCredentials`.

    An unknown email costs a password hash too, so the time taken does not tell which it was.
    """
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise InvalidCredentials
    with transaction.atomic():
        # A password changed since it was checked ended all sign-ins; this one must not slip by.
        locked = User.objects.select_for_update(no_key=True).filter(
            pk=user.pk, password=user.password, is_active=True
        )
        if not locked:
            raise InvalidCredentials
        newest = user.sign_ins.order_by("-created_at").values("pk")[: MAX_SIGN_INS - 1]
        user.sign_ins.filter(Q(expires_at__lte=Now()) | ~Q(pk__in=newest)).delete()
        opened = SignIn.objects.create(
            user=user,
            device=device[: SignIn._meta.get_field("device").max_length],
            expires_at=Now() + REFRESH_LIFETIME,
        )
    return issue_pair(user_id=user.pk, sign_in_id=opened.pk, refresh_id=opened.refresh_id)


def refresh(*, token: str) -> TokenPair:
    """Give a new pair for a refresh token, once; `InvalidToken` or `SignInOver`.

    A token that comes a second time was copied by somebody, so its sign-in ends (RFC 9700,
    section 4.14.2). Of several at the same moment one succeeds, and the others end what it got.
    """
    old = read_refresh(token)
    new = new_id()
    # The refresh id must stand in the UPDATE's own WHERE: PostgreSQL evaluates that again after it
    # waited for the row, but not a subquery. A join here would become one.
    rotated = SignIn.objects.filter(
        Exists(User.objects.filter(pk=OuterRef("user_id"), is_active=True)),
        pk=old.sign_in_id,
        user_id=old.user_id,
        refresh_id=old.refresh_id,
        expires_at__gt=Now(),
    ).update(refresh_id=new, refreshed_at=Now(), expires_at=Now() + REFRESH_LIFETIME)
    if not rotated:
        if end(user_id=old.user_id, sign_in_id=old.sign_in_id):
            logger.warning("A refresh token was used twice; sign-in %s ended", old.sign_in_id)
        raise SignInOver
    return issue_pair(user_id=old.user_id, sign_in_id=old.sign_in_id, refresh_id=new)


def revoke(*, token: str) -> None:
    """End the sign-in of a refresh token, used or not; `InvalidToken`. Ended already is fine."""
    given = read_refresh(token)
    end(user_id=given.user_id, sign_in_id=given.sign_in_id)


def end(*, user_id: str, sign_in_id: str) -> bool:
    """End one sign-in of a user. Whether there was one."""
    ended, _ = SignIn.objects.filter(pk=sign_in_id, user_id=user_id).delete()
    return ended > 0


def live_user(access: Access) -> User | None:
    """The active user of a sign-in that is not over. One query."""
    found = User.objects.filter(
        pk=access.user_id,
        is_active=True,
        sign_ins__pk=access.sign_in_id,
        sign_ins__expires_at__gt=Now(),
    )
    return next(iter(found), None)  # both keys are given, so there is one at most


def clear_expired() -> int:
    """Delete sign-ins that nobody can refresh any more. How many there were.

    In short transactions, and without those that somebody else is at: whoever deletes an account
    holds its sign-ins in an order of their own.
    """
    cleared = 0
    while True:
        with transaction.atomic():
            expired = SignIn.objects.filter(expires_at__lte=Now())
            free = expired.select_for_update(skip_locked=True).values_list("pk", flat=True)
            batch = [*free[:CLEARED_AT_ONCE]]
            SignIn.objects.filter(pk__in=batch).delete()
        cleared += len(batch)
        if len(batch) < CLEARED_AT_ONCE:
            return cleared
