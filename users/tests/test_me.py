"""GET, PATCH and DELETE /users/me/"""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from conftest import Buckets
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from users.models import SignIn, User
from users.tests.sessions import NOT_SIGNED_IN, PASSWORD, SIGN_IN_OVER, problem, sign_in_as

pytestmark = pytest.mark.django_db

PATH = "images/users/profiles/profile_"
Upload = Callable[..., str]


def shown(user: User, **changes: Any) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "nickname": user.nickname,
        "profile_image": None,
        "profile_image_url": None,
        "created_at": f"{user.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        **changes,
    }


def test_an_account_is_shown_to_its_owner(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = sign_in_as(alice).client
    alice.refresh_from_db()
    with django_assert_num_queries(1):
        answer = client.get("/users/me/")
    assert (answer.status_code, answer.json()) == (200, shown(alice))
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_anonymous_is_refused(anonymous: APIClient, alice: User, method: str) -> None:
    answer = getattr(anonymous, method)("/users/me/")
    assert (answer.status_code, answer.json()) == (401, NOT_SIGNED_IN)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert User.objects.count() == 1


def test_a_nickname_can_be_changed(alice: User) -> None:
    alice.refresh_from_db()
    answer = sign_in_as(alice).client.patch("/users/me/", {"nickname": " Alicia "})
    assert (answer.status_code, answer.json()) == (200, shown(alice, nickname="Alicia"))


def test_nothing_else_can(alice: User) -> None:
    alice.refresh_from_db()
    answer = sign_in_as(alice).client.patch(
        "/users/me/",
        {"id": "x", "email": "mallory@example.com", "is_staff": True, "password": "x"},
    )
    assert (answer.status_code, answer.json()) == (200, shown(alice))
    alice.refresh_from_db()
    assert (alice.is_staff, alice.check_password(PASSWORD)) == (False, True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"nickname": None}, problem("null", "This field may not be null.", "nickname")),
        ({"nickname": ""}, problem("blank", "This field may not be blank.", "nickname")),
        ({"nickname": {}}, problem("invalid", "Not a valid string.", "nickname")),
        (
            {"profile_image": "../../etc/passwd"},
            problem("invalid_key", "This is not a key of this service.", "profile_image"),
        ),
    ],
)
def test_bad_input_is_a_400_with_a_code(
    alice: User, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = sign_in_as(alice).client.patch("/users/me/", body)
    assert (answer.status_code, answer.json()) == (400, expected)


# ---------------------------------------------------------------- the picture


def test_a_picture_is_attached_shown_and_released(
    alice: User, upload: Upload, buckets: Buckets
) -> None:
    client = sign_in_as(alice).client
    alice.refresh_from_db()
    key = upload(client, PATH)
    answer = client.patch("/users/me/", {"profile_image": object_key(key)})
    url = answer.json()["profile_image_url"]
    expected = shown(alice, profile_image=key, profile_image_url=url)
    assert (answer.status_code, answer.json()) == (200, expected)
    assert f"/media/{key}?" in url
    assert client.get("/users/me/").json()["profile_image"] == key
    assert buckets.media.stat(object_key(key)).content_type == "image/png"

    answer = client.patch("/users/me/", {"profile_image": None})
    assert (answer.status_code, answer.json()) == (200, shown(alice))
    assert MediaObject.objects.get(key=key).state == State.DELETING


def test_another_picture_releases_the_first(alice: User, upload: Upload) -> None:
    client = sign_in_as(alice).client
    first, second = upload(client, PATH), upload(client, PATH)
    for key in (first, second):
        assert client.patch("/users/me/", {"profile_image": key}).status_code == 200
    states = dict(MediaObject.objects.values_list("key", "state"))
    assert states == {first: State.DELETING, second: State.ATTACHED}


def test_somebody_elses_picture_is_refused(alice: User, bob: User, upload: Upload) -> None:
    key = upload(sign_in_as(alice).client, PATH)
    answer = sign_in_as(bob).client.patch("/users/me/", {"profile_image": key})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "profile_image"
    assert not MediaObject.objects.exists()


# ---------------------------------------------------------------- leaving


def test_deleting_an_account_ends_its_sign_ins_and_releases_its_picture(
    alice: User, bob: User, upload: Upload
) -> None:
    session, other, bobs = sign_in_as(alice), sign_in_as(alice), sign_in_as(bob)
    key = upload(session.client, PATH)
    session.client.patch("/users/me/", {"profile_image": key})
    answer = session.client.delete("/users/me/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [*User.objects.all()] == [bob]
    assert MediaObject.objects.get(key=key).state == State.DELETING
    assert SignIn.objects.count() == 1
    for gone in (session, other):
        refused = gone.client.get("/users/me/")
        assert (refused.status_code, refused.json()) == (401, SIGN_IN_OVER)
        refreshed = APIClient().post("/auth/token/refresh/", {"refresh": gone.refresh})
        assert refreshed.status_code == 401
    assert bobs.client.get("/users/me/").status_code == 200
