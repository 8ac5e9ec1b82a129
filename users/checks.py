"""System checks of this app's settings."""

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from users.issuers import issuers


@register("security")
def check_issuers(**_: Any) -> list[CheckMessage]:
    """users.E001: TOKEN_ISSUERS can be read. Nothing is fetched."""
    try:
        issuers()
    except ImproperlyConfigured as exc:
        return [
            Error(
                str(exc),
                hint="A JSON list of objects; users/issuers.py says what each holds.",
                id="users.E001",
            )
        ]
    return []
