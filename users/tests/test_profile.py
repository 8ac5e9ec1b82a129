"""GET /users/{id}/"""

from collections.abc import Callable

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from sign_s3.keys import new_id
from users.models import User
from users.tests.sessions import problem, sign_in_as

pytestmark = pytest.mark.django_db


def test_anybody_sees_a_profile_without_its_email(
    alice: User,
    bob: User,
    anonymous: APIClient,
    upload: Callable[..., str],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    alices = sign_in_as(alice).client
    key = upload(alices, "images/users/profiles/profile_")
    alices.patch("/users/me/", {"profile_image": key})
    alice.refresh_from_db()
    with django_assert_num_queries(1):
        answer = anonymous.get(f"/users/{alice.pk}/")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": alice.pk,
        "nickname": "Alice",
        "profile_image_url": alice.profile_image.url,
        "created_at": f"{alice.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    for client in (alices, sign_in_as(bob).client):
        assert client.get(f"/users/{alice.pk}/").json() == answer.json()


def test_who_is_not_there_is_not_found(alice: User, anonymous: APIClient) -> None:
    User.objects.update(is_active=False)
    for name in (alice.pk, new_id(), "x" * 500, "%F0%9F%91%A9"):
        answer = anonymous.get(f"/users/{name}/")
        assert (answer.status_code, answer.json()) == (404, problem("not_found", "Not found."))


def test_nobody_writes_to_a_profile(alice: User, bob: User, anonymous: APIClient) -> None:
    for method in ("put", "patch", "delete", "post"):
        answer = getattr(sign_in_as(bob).client, method)(f"/users/{alice.pk}/", {})
        assert answer.status_code == 405
        assert getattr(anonymous, method)(f"/users/{alice.pk}/", {}).status_code == 405
