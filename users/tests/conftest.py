"""Alice, Bob, and how they sign in."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from users.models import User
from users.tests.sessions import PASSWORD, Session, sign_in_as


@pytest.fixture(autouse=True)
def quick_and_unlimited(settings: LazySettings) -> None:
    """Cheap password hashes, and rate limits that only the tests of rate limits reach."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    rates = dict.fromkeys(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "1000000/min")
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user(email="alice@example.com", password=PASSWORD, nickname="Alice")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user(email="bob@example.com", password=PASSWORD, nickname="Bob")


@pytest.fixture
def sign_in() -> Callable[[User], Session]:
    return sign_in_as
