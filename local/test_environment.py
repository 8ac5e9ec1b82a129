"""A pytest plugin that gives the tests their environment before Django reads its settings.

Loaded with ``-p`` in pytest.ini, since pytest-django reads the settings before any conftest.py.
A value that the caller's environment already holds wins, so the same suite runs on PostgreSQL
and Redis by ``DATABASE_URL`` and ``REDIS_URL``. It also installs the app whose models the tests of
``sign_s3`` use, so that the settings need not know of it.

``python -m local.test_environment COMMAND…`` runs a command, a type checker say, in it.
"""

import os
import sys
from collections.abc import Generator

import pytest

DEFAULTS = {
    "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789",
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "HTTPS": "off",
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "test-secret-access-key-0123456789abcdef00",
    "AWS_S3_REGION_NAME": "eu-west-1",
    "AWS_STORAGE_BUCKET_NAME": "test-media",
    "AWS_INCOMING_BUCKET_NAME": "test-incoming",
    "EMAIL_URL": "memorymail://",
    "TRANSACTION_GUARD": "raise",
    # All tests call from one address. Those of the limits set their own.
    "RATE_TOKEN_ADDRESS": "1000000/min",
    "RATE_TOKEN_ACCOUNT": "1000000/min",
    "RATE_SIGN_UP": "1000000/min",
    "RATE_PASSWORD_RESET": "1000000/min",
}

# A developer's own .env and AWS profile must not leak into the tests.
os.environ["SIGN_S3_ENV_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.devnull
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """As a wrapper this runs before pytest-django sets Django up."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings  # noqa: PLC0415

    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "sign_s3.tests.app"]
    return (yield)


if __name__ == "__main__":
    os.execvp(sys.argv[1], sys.argv[1:])
