"""Checks of the settings for production, run by ``manage.py check --deploy``.

Django's own cover DEBUG, the secret's strength, TLS, HSTS and cookies. Those of the buckets belong
to `sign_s3`. None of them uses the network.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def check_allowed_hosts(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """config.W001: a wildcard lets a request choose the host that links are built with."""
    if not any(host == "*" for host in settings.ALLOWED_HOSTS):
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS takes any host.",
            hint="Name the hosts this service is reached by.",
            id="config.W001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_cors_origins(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """config.W002: an entry that is no https origin; it would let in too many or nobody."""
    return [
        checks.Warning(
            f"CORS_ALLOWED_ORIGINS: {origin!r} is not an origin of the form https://host[:port].",
            hint="Name each web origin that may call the API. Wildcards and null are not taken.",
            id="config.W002",
        )
        for origin in settings.CORS_ALLOWED_ORIGINS
        if not _is_https_origin(origin)
    ]


def _is_https_origin(text: str) -> bool:
    parts = urlsplit(text)
    return text == f"https://{parts.netloc}" and bool(parts.hostname) and "*" not in text


@checks.register(checks.Tags.security, deploy=True)
def check_public_endpoint(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """config.W003: files and signatures would travel in the clear between clients and S3."""
    endpoint = settings.AWS_S3_PUBLIC_ENDPOINT_URL or settings.AWS_S3_ENDPOINT_URL
    if not endpoint or endpoint.startswith("https://"):
        return []
    return [
        checks.Warning(
            "Clients are sent to S3 without TLS.",
            hint="Set AWS_S3_PUBLIC_ENDPOINT_URL to an https URL of the same store.",
            id="config.W003",
        )
    ]
