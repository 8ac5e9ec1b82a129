"""``DELETE /sign_s3/``: it takes back what is unattached, and never a served file."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from sign_s3.bucket import on_request
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State

PATH = "images/posts/post_"
NOBODYS = "media/images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg"

pytestmark = pytest.mark.django_db


def rows(*keys, owner, state=State.PROMOTING, lease=timedelta(minutes=1)):
    for key in keys:
        promoting = state == State.PROMOTING
        MediaObject.objects.create(
            key=key,
            owner=owner,
            etag='"e"',
            content_type="image/png",
            size=1,
            state=state,
            token="00000000-0000-4000-8000-000000000000" if promoting else None,
            lease_until=timezone.now() + lease if promoting else None,
            due_at=timezone.now() if state in {State.DELETING, State.DELETED} else None,
        )


@pytest.mark.parametrize("prefixed", [True, False])
def test_an_unattached_upload_is_deleted(alice, client_of, upload, buckets, prefixed):
    client = client_of(alice)
    key = upload(client, PATH)

    answer = client.delete("/sign_s3/", {"key": object_key(key) if prefixed else key})

    assert (answer.status_code, answer.content) == (204, b"")
    assert not list(buckets.incoming.list())


def test_a_client_that_sends_no_body_names_the_key_in_the_address(
    alice, client_of, upload, buckets
):
    client = client_of(alice)
    key = upload(client, PATH)

    assert client.delete(f"/sign_s3/?key={object_key(key)}").status_code == 204

    assert not list(buckets.incoming.list())


def test_ten_keys_go_at_once(alice, client_of, upload, buckets):
    client = client_of(alice)
    keys = [upload(client, PATH) for _ in range(10)]

    assert client.delete("/sign_s3/", {"keys": keys}).status_code == 204

    assert not list(buckets.incoming.list())


def test_a_key_nobody_knows_is_gone_already(alice, client_of, buckets):
    assert client_of(alice).delete("/sign_s3/", {"key": NOBODYS}).status_code == 204


def test_a_strangers_upload_is_not_found_and_nothing_is_touched(
    alice, bob, client_of, upload, buckets
):
    hers, his = upload(client_of(alice), PATH), upload(client_of(bob), PATH)

    answer = client_of(bob).delete("/sign_s3/", {"keys": [his, hers]})

    assert answer.status_code == 404
    assert answer.json() == {
        "type": "client_error",
        "errors": [{"code": "not_found", "detail": "No such upload of yours.", "attr": None}],
    }
    assert len(list(buckets.incoming.list())) == 2


def test_a_strangers_attached_upload_is_not_found(alice, bob, client_of, upload, buckets):
    key = upload(client_of(alice), PATH)
    client_of(alice).post("/posts/", {"images": [key]})

    assert client_of(bob).delete("/sign_s3/", {"key": key}).status_code == 404

    assert [info.key for info in buckets.media.list()] == [object_key(key)]


def test_one_that_is_attached_while_a_stranger_looks_for_it_is_not_found(
    alice, bob, client_of, upload, buckets
):
    key = upload(client_of(alice), PATH)

    def attach_first(operation):
        if operation == "HeadObject":
            made.append(client_of(alice).post("/posts/", {"images": [key]}).status_code)

    made: list[int] = []
    stop = on_request(attach_first)
    answer = client_of(bob).delete("/sign_s3/", {"key": key})
    stop()

    assert (made, answer.status_code) == ([201], 404)


def test_an_attached_upload_stays(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, PATH)
    client.post("/posts/", {"images": [key]})

    answer = client.delete("/sign_s3/", {"key": key})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "attached"
    assert "Retry-After" not in answer.headers
    assert MediaObject.objects.get().state == State.ATTACHED
    assert [info.key for info in buckets.media.list()] == [object_key(key)]


def test_an_upload_that_is_being_attached_is_for_later(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, PATH)
    rows(key, owner=alice.pk)

    answer = client.delete("/sign_s3/", {"key": key})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "attaching"
    assert int(answer.headers["Retry-After"]) > 0


def test_an_attempt_that_failed_is_given_up_for_good(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, PATH)
    rows(key, owner=alice.pk, lease=timedelta(seconds=-1))

    assert client.delete("/sign_s3/", {"key": key}).status_code == 204

    row = MediaObject.objects.get()
    assert (row.state, row.token) == (State.DELETING, None)
    assert not list(buckets.incoming.list())


@pytest.mark.parametrize("state", [State.DELETING, State.DELETED])
def test_what_is_on_its_way_out_is_no_conflict(alice, client_of, buckets, state):
    key = NOBODYS.removeprefix("media/")
    rows(key, owner=alice.pk, state=state)
    assert client_of(alice).delete("/sign_s3/", {"key": key}).status_code == 204
    assert MediaObject.objects.get().state == state


@pytest.mark.parametrize(
    ("body", "attr", "code"),
    [
        ({}, None, "one_of"),
        ({"key": NOBODYS, "keys": [NOBODYS]}, None, "one_of"),
        ({"key": "media/../x"}, "key", "invalid_key"),
        ({"key": 7}, "key", "invalid"),
        ({"key": None}, "key", "null"),
        ({"keys": NOBODYS}, "keys", "not_a_list"),
        ({"keys": []}, "keys", "empty"),
        ({"keys": [NOBODYS, "x"]}, "keys.1", "invalid_key"),
        ({"keys": [NOBODYS] * 11}, "keys", "max_length"),
    ],
)
def test_what_is_no_key_of_ours_is_refused(alice, client_of, buckets, body, attr, code):
    answer = client_of(alice).delete("/sign_s3/", body)

    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    assert error["attr"] == (attr or "non_field_errors")


def test_a_bad_key_among_good_ones_touches_nothing(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, PATH)

    assert client.delete("/sign_s3/", {"keys": [key, "media/x"]}).status_code == 400

    assert len(list(buckets.incoming.list())) == 1


def test_nobody_rolls_back_without_a_token(buckets):
    assert APIClient().delete("/sign_s3/", {"key": NOBODYS}).status_code == 401
