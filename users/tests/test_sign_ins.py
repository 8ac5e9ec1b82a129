"""GET /auth/sign-ins/, DELETE /auth/sign-ins/{id}/"""

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from sign_s3.keys import new_id
from users.models import User
from users.tests.sessions import NOT_SIGNED_IN, SIGN_IN_OVER, problem, sign_in_as

pytestmark = pytest.mark.django_db

NOT_FOUND = problem("not_found", "Not found.")


def test_the_list_names_ones_devices(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sign_in_as(bob)
    sign_in_as(alice, device="phone")
    laptop = sign_in_as(alice, device="laptop")
    with django_assert_num_queries(2):
        answer = laptop.client.get("/auth/sign-ins/")
    assert answer.status_code == 200
    newest, oldest = alice.sign_ins.order_by("-created_at")
    rows = [(newest, "laptop", True), (oldest, "phone", False)]
    assert answer.json() == [
        {
            "id": row.pk,
            "device": device,
            "created_at": f"{row.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "refreshed_at": f"{row.refreshed_at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "expires_at": f"{row.expires_at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "current": current,
        }
        for row, device, current in rows
    ]


def test_ending_one_leaves_the_others(alice: User) -> None:
    lost, kept = sign_in_as(alice, device="lost"), sign_in_as(alice)
    place = alice.sign_ins.get(device="lost").pk
    answer = kept.client.delete(f"/auth/sign-ins/{place}/")
    assert (answer.status_code, answer.content) == (204, b"")
    refused = lost.client.get("/users/me/")
    assert (refused.status_code, refused.json()) == (401, SIGN_IN_OVER)
    assert kept.client.get("/users/me/").status_code == 200


def test_nobody_ends_another_users_sign_in(alice: User, bob: User) -> None:
    mine, theirs = sign_in_as(alice), sign_in_as(bob)
    for place in (alice.sign_ins.get().pk, new_id(), "x"):
        answer = theirs.client.delete(f"/auth/sign-ins/{place}/")
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert mine.client.get("/users/me/").status_code == 200


def test_anonymous_is_refused(alice: User, anonymous: APIClient) -> None:
    sign_in_as(alice)
    for answer in (
        anonymous.get("/auth/sign-ins/"),
        anonymous.delete(f"/auth/sign-ins/{alice.sign_ins.get().pk}/"),
    ):
        assert (answer.status_code, answer.json()) == (401, NOT_SIGNED_IN)
    assert alice.sign_ins.count() == 1
