"""Accounts of people whom an outside issuer vouches for."""

import logging
from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from users.models import (
    MAX_EMAIL_LENGTH,
    MAX_NICKNAME_LENGTH,
    OutsideIdentity,
    User,
    validate_ascii,
    validate_nickname,
)
from users.tokens import Access, Vouched

logger = logging.getLogger(__name__)


def vouched_user(access: Access) -> User | None:
    """The active account of such a person, unless it was deleted after the token was issued."""
    return User.objects.filter(
        Q(outside_identity__not_before=None)
        | Q(outside_identity__not_before__lt=_time(access.issued_at)),
        pk=access.user_id,
        is_active=True,
        outside_identity__pk=access.user_id,
    ).first()


def admit(access: Access, person: Vouched) -> User | None:
    """Open the account of a person who comes for the first time, or again after deleting it.

    None if the account is inactive, was deleted after this token was issued, or has a password, so
    that it may have become somebody else's.
    """
    with transaction.atomic():
        identity, _ = OutsideIdentity.objects.select_for_update().get_or_create(
            pk=access.user_id, defaults={"issuer": person.issuer, "subject": person.subject}
        )
        if identity.not_before and identity.not_before >= _time(access.issued_at):
            return None
        if identity.user is None:
            # An account of this id was opened here for this person: the id is derived from issuer
            # and subject. Its identity was lost, by hand or with a restored backup.
            left = User.objects.filter(pk=access.user_id).first()
            if left is not None and left.has_usable_password():
                logger.warning("Account %s has a password and no identity; refused", left.pk)
                return None
            identity.user = left or _open(access.user_id, person)
            identity.save(update_fields=["user"])
        return identity.user if identity.user.is_active else None


def _open(user_id: str, person: Vouched) -> User:
    nickname = _nickname(person.nickname) or f"user-{user_id[:6]}"
    try:
        with transaction.atomic():
            return User.objects.create_user(
                id=user_id, email=_email(person.email), nickname=nickname
            )
    except IntegrityError:
        # Somebody signed up here with that address. It was never shown to be theirs, but an
        # account is not handed over on an outside issuer's word either: two accounts, then.
        return User.objects.create_user(id=user_id, email=None, nickname=nickname)


def _email(email: str | None) -> str | None:
    try:
        validate_email(email)
        validate_ascii(email or "")
    except ValidationError:
        return None
    return email if email and len(email) <= MAX_EMAIL_LENGTH else None


def _nickname(nickname: str | None) -> str | None:
    shortened = (nickname or "").strip()[:MAX_NICKNAME_LENGTH]
    try:
        validate_nickname(shortened)
    except ValidationError:
        return None
    return shortened


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
