"""Changing and resetting a password. Both end sign-ins."""

import logging
import smtplib

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from users.models import User

logger = logging.getLogger(__name__)


class PasswordChangedMeanwhile(Exception):
    """Another request changed the password since this one read it."""


def change_password(*, user: User, new: str, keep_sign_in: str | None = None) -> None:
    """Replace the password that `user` was read with, and end the other sign-ins.

    `PasswordChangedMeanwhile` if it is no longer the one in force: of two who use the same old
    password or reset token at once, one succeeds.
    """
    encoded = make_password(new)
    with transaction.atomic():
        changed = User.objects.filter(pk=user.pk, password=user.password, is_active=True).update(
            password=encoded
        )
        if not changed:
            raise PasswordChangedMeanwhile
        user.sign_ins.exclude(pk=keep_sign_in or "").delete()


def send_reset(*, email: str) -> None:
    """Send a reset link to the account of this email, if there is one that has a password.

    A mail server that fails is logged: its error must not tell that the address is known.
    """
    address = User.objects.normalize_email(email)
    user = User.objects.filter(email=address, is_active=True).first()
    if user is None or not user.has_usable_password():
        return
    token = default_token_generator.make_token(user)
    url = settings.PASSWORD_RESET_URL
    link = url.replace("{uid}", user.pk).replace("{token}", token) if url else None
    try:
        send_mail(
            subject="Reset your password",
            message=render_to_string(
                "users/password_reset.txt",
                {
                    "user": user,
                    "uid": user.pk,
                    "token": token,
                    "link": link,
                    "minutes": settings.PASSWORD_RESET_TIMEOUT // 60,
                },
            ),
            from_email=None,
            recipient_list=[address],
        )
    except (smtplib.SMTPException, OSError):
        logger.exception("The reset mail for user %s could not be sent", user.pk)


def user_of_reset(*, uid: str, token: str) -> User | None:
    """The user whose unused, unexpired reset token this is."""
    user = User.objects.filter(pk=uid, is_active=True).first()
    return user if default_token_generator.check_token(user, token) else None
