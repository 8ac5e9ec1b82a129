"""Creating posts with an Idempotency-Key."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from rest_framework.response import Response

from posts.models import Post
from sign_s3.api import idempotency
from sign_s3.bucket import on_request
from sign_s3.models import KeptAnswer, MediaObject
from sign_s3.services.sweep import sweep

IMAGES = "images/posts/post_"


def create(client, body, key="a-key"):
    return client.post("/posts/", body, headers={"Idempotency-Key": key})


@pytest.mark.django_db
def test_the_same_request_again_gets_the_same_answer_and_creates_nothing(
    alice, client_of, upload, buckets
):
    client = client_of(alice)
    body = {"caption": "Rome", "images": [upload(client, IMAGES)]}

    first, again = create(client, body), create(client, body)

    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert Post.objects.count() == 1


@pytest.mark.django_db
def test_the_order_of_members_does_not_matter(alice, client_of, buckets):
    client = client_of(alice)
    first = create(client, {"caption": "Rome", "visibility": "private"})
    again = create(client, {"visibility": "private", "caption": "Rome"})
    assert again.content == first.content


@pytest.mark.django_db
def test_a_post_deleted_since_is_not_created_again(alice, client_of, buckets):
    client = client_of(alice)
    first = create(client, {"caption": "Rome"})
    client.delete(f"/posts/{first.json()['id']}/")
    assert create(client, {"caption": "Rome"}).content == first.content
    assert not Post.objects.exists()


@pytest.mark.django_db
def test_another_body_is_refused(alice, client_of, buckets):
    client = client_of(alice)
    create(client, {"caption": "Rome"})
    answer = create(client, {"caption": "Paris"})
    assert answer.status_code == 422
    assert answer.json() == {
        "type": "client_error",
        "errors": [
            {
                "code": "idempotency_key_reused",
                "detail": "This Idempotency-Key was used for another request.",
                "attr": None,
            }
        ],
    }
    assert Post.objects.count() == 1


@pytest.mark.django_db
def test_another_user_may_use_the_same_key(alice, bob, client_of, buckets):
    create(client_of(alice), {"caption": "Rome"})
    assert create(client_of(bob), {"caption": "Paris"}).json()["caption"] == "Paris"


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", " ", "a b", "a" * 256, "a\tb", "é"])
def test_a_key_that_is_none_is_refused(key, alice, client_of, buckets):
    answer = create(client_of(alice), {"caption": "Rome"}, key)
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "errors": [
            {
                "code": "invalid_idempotency_key",
                "detail": "1 to 255 visible ASCII characters.",
                "attr": "Idempotency-Key",
            }
        ],
    }
    assert not Post.objects.exists()


@pytest.mark.django_db
def test_an_anonymous_request_keeps_nothing(client, db):
    answer = client.post("/posts/", {}, "application/json", headers={"Idempotency-Key": "a-key"})
    assert answer.status_code == 401
    assert not KeptAnswer.objects.exists()


@pytest.mark.django_db
def test_a_refused_request_keeps_nothing_and_may_be_sent_again(alice, client_of, upload, buckets):
    client = client_of(alice)
    key = upload(client, IMAGES, b"no picture")
    body = {"images": [key]}
    assert create(client, body).status_code == 400
    assert not KeptAnswer.objects.exists()

    buckets.incoming.delete(f"media/{key}")
    key = upload(client, IMAGES)
    assert create(client, {"images": [key]}).status_code == 201


@pytest.mark.django_db
def test_an_answer_counts_for_a_day_and_is_then_swept(alice, client_of, buckets):
    client = client_of(alice)
    first = create(client, {"caption": "Rome"}).json()
    KeptAnswer.objects.update(created_at=F("created_at") - timedelta(hours=23, minutes=59))
    assert create(client, {"caption": "Rome"}).json() == first
    assert sweep().purged == 0

    KeptAnswer.objects.update(created_at=F("created_at") - timedelta(minutes=2))
    second = create(client, {"caption": "Paris"}).json()
    assert second["id"] != first["id"]
    assert KeptAnswer.objects.count() == 1

    KeptAnswer.objects.update(created_at=F("created_at") - timedelta(hours=25))
    assert sweep().purged == 1
    assert not KeptAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_record_whose_commit_fails_leaves_no_answer(alice, client_of, upload, buckets):
    """The lease is lost between the copy and the commit."""
    client = client_of(alice)
    body = {"images": [upload(client, IMAGES)]}

    def steal(operation):
        if operation == "CopyObject":
            MediaObject.objects.update(token="00000000-0000-0000-0000-000000000000")
            connection.close()  # this is a thread of the pool

    undo = on_request(steal)
    try:
        answer = create(client, body)
    finally:
        undo()

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "lease_lost"
    assert not KeptAnswer.objects.exists()
    assert not Post.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_overtaken_by_its_repetition_gets_the_same_answer(
    alice, client_of, upload, buckets
):
    """The second runs from start to end while the first one is about to inspect."""
    client = client_of(alice)
    body = {"images": [upload(client, IMAGES)]}
    overtaking: list[Response] = []

    def overtake(operation):
        undo()
        overtaking.append(create(client, body))

    undo = on_request(overtake)
    overtaken = create(client, body)

    assert overtaking[0].status_code == 201
    assert overtaken.status_code == 201
    assert overtaken.content == overtaking[0].content
    assert Post.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_creates_and_all_get_its_answer(alice, client_of, buckets):
    for number in range(20):
        answers = at_once(
            [client_of(alice) for _ in range(4)],
            lambda client, number=number: create(client, {"caption": "Rome"}, f"key-{number}"),
        )
        assert [answer.status_code for answer in answers] == [201] * 4
        assert len({answer.content for answer in answers}) == 1
    assert Post.objects.count() == 20


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_with_an_upload_at_once_one_creates(alice, client_of, upload, buckets):
    client = client_of(alice)
    for number in range(10):
        body = {"images": [upload(client, IMAGES)]}
        answers = at_once(
            [client_of(alice) for _ in range(3)],
            lambda client, body=body, number=number: create(client, body, f"key-{number}"),
        )
        created = {answer.content for answer in answers if answer.status_code == 201}
        assert len(created) == 1
        for answer in answers:
            if answer.status_code != 201:
                assert answer.status_code in {409, 503}
                assert "Retry-After" in answer.headers
        assert {create(client, body, f"key-{number}").content} == created
    assert Post.objects.count() == 10


def at_once(clients, call):
    start, answers = threading.Barrier(len(clients)), []

    def run(client):
        start.wait()
        try:
            answers.append(call(client))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(clients)
    return answers


def test_the_schema_names_the_header(client):
    assert idempotency.HEADER in str(client.get("/schema/?format=json").content)
