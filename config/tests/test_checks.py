"""Checks for production, each by itself and all of them together as an operator runs them (A17)."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from config import checks

PRODUCTION = {
    "SECRET_KEY": "xmQk3!vS0pN8wzR5rT1yU7bC2dE4fG6hJ9kL-aqWsEdRfTgYhUjIkOlP_zX",
    "ALLOWED_HOSTS": "api.example.com",
    "CORS_ALLOWED_ORIGINS": "https://app.example.com",
    "DATABASE_URL": "postgres://app:pw@127.0.0.1:1/app",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_S3_REGION_NAME": "eu-west-1",
    "AWS_STORAGE_BUCKET_NAME": "example-media",
    "AWS_INCOMING_BUCKET_NAME": "example-incoming",
    "SIGN_S3_ENV_FILE": os.devnull,
}


#: Settings that are no matter of these checks, and that Django cannot change while it runs.
FIXED = {"DATABASES", "INSTALLED_APPS", "LOGGING"}


def settings_of(**changes: str) -> dict[str, Any]:
    """What config/settings.py makes of a production environment, read anew."""
    environment = {"PATH": os.environ["PATH"], **PRODUCTION, **changes}
    with mock.patch.dict(os.environ, environment, clear=True):
        read = runpy.run_path(str(settings.BASE_DIR / "config" / "settings.py"))
    return {name: value for name, value in read.items() if name.isupper() and name not in FIXED}


def complaints(**changes: str) -> list[str | None]:
    """The ids of what `manage.py check --deploy` would say."""
    with override_settings(**settings_of(**changes)):
        found = run_checks(include_deployment_checks=True)
    return [message.id for message in found if not message.is_silenced()]


def test_production_settings_are_clean() -> None:
    """In a process of its own, with nothing of this one's environment but the PATH."""
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={"PATH": os.environ["PATH"], **PRODUCTION},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert complaints() == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"DEBUG": "on"}, "security.W018"),
        ({"SECRET_KEY": "a" * 60}, "security.W009"),
        ({"ALLOWED_HOSTS": ""}, "security.W020"),
        ({"ALLOWED_HOSTS": "*"}, "config.W001"),
        ({"HTTPS": "off"}, "security.W008"),
        ({"CORS_ALLOWED_ORIGINS": "*"}, "config.W002"),
        ({"AWS_S3_PUBLIC_ENDPOINT_URL": "http://s3.example.com"}, "config.W003"),
        ({"INSPECTORS": ""}, "sign_s3.W013"),
        ({"INSPECTORS": "scanner.scan"}, "sign_s3.W013"),
    ],
)
def test_what_is_unsafe_in_production_is_named(changes: dict[str, str], complaint: str) -> None:
    assert complaint in complaints(**changes)


@pytest.mark.parametrize("secret", ["short", ""])
def test_a_secret_that_is_none_stops_the_process(secret: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        settings_of(SECRET_KEY=secret)


@pytest.mark.filterwarnings("ignore:Engine not recognized")
@pytest.mark.parametrize("url", ["", "post"])
def test_a_url_without_a_database_stops_the_process(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        settings_of(DATABASE_URL=url)


def ids(check: Callable[..., list[CheckMessage]], **changed: Any) -> list[str | None]:
    with override_settings(**changed):
        found = check(None)
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_a_wildcard_host_is_warned_of() -> None:
    assert ids(checks.check_allowed_hosts, ALLOWED_HOSTS=["a.example.com", "*"]) == ["config.W001"]
    assert ids(checks.check_allowed_hosts, ALLOWED_HOSTS=["a.example.com", ".example.com"]) == []


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*",
        "https://*.example.com",
        "http://app.example.com",
        "app.example.com",
        "https://app.example.com/",
        "https://",
        "https://:443",
    ],
)
def test_what_is_no_https_origin_is_warned_of(origin: str) -> None:
    assert ids(checks.check_cors_origins, CORS_ALLOWED_ORIGINS=[origin]) == ["config.W002"]


def test_https_origins_are_fine() -> None:
    origins = ["https://app.example.com", "https://app.example.com:8443"]
    assert ids(checks.check_cors_origins, CORS_ALLOWED_ORIGINS=origins) == []


@pytest.mark.parametrize(
    ("public", "internal", "found"),
    [
        (None, None, []),
        (None, "https://s3.example.com", []),
        ("https://s3.example.com", "http://minio:9000", []),
        (None, "http://minio:9000", ["config.W003"]),
        ("http://s3.example.com", None, ["config.W003"]),
    ],
)
def test_clients_are_not_sent_to_s3_in_the_clear(
    public: str | None, internal: str | None, found: list[str]
) -> None:
    endpoints = {"AWS_S3_PUBLIC_ENDPOINT_URL": public, "AWS_S3_ENDPOINT_URL": internal}
    assert ids(checks.check_public_endpoint, **endpoints) == found


def test_no_check_is_silenced() -> None:
    assert settings.SILENCED_SYSTEM_CHECKS == []
