"""What one user may keep, from the ledger. `e2e/security/test_quota.py` asks at the same moment."""

import uuid
from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from local.pictures import picture
from posts.models import PICTURES
from sign_s3.inspection import inspect
from sign_s3.models import MediaObject, State

PATH = "images/posts/post_"
OVER_FILES = {
    "type": "validation_error",
    "errors": [
        {
            "code": "quota_exceeded",
            "detail": "You may keep 2 files.",
            "attr": "non_field_errors",
        }
    ],
}


@pytest.fixture
def limit(settings):
    def set_limit(**quota):
        settings.SIGN_S3 = {**settings.SIGN_S3, **quota}

    return set_limit


@pytest.fixture
def client(alice, client_of):
    return client_of(alice)


def post(client, *keys):
    return client.post("/posts/", {"images": keys})


def test_a_file_too_many_is_refused_and_nothing_of_the_request_kept(client, upload, limit):
    limit(quota_files=2)
    assert post(client, upload(client, PATH)).status_code == 201

    answer = post(client, upload(client, PATH), upload(client, PATH))

    assert (answer.status_code, answer.json()) == (400, OVER_FILES)
    assert MediaObject.objects.count() == 1
    assert post(client, upload(client, PATH)).status_code == 201
    assert post(client, upload(client, PATH)).status_code == 400


def test_bytes_count_to_the_last_one(client, upload, limit):
    data = picture("PNG")
    limit(quota_bytes=2 * len(data))
    assert post(client, upload(client, PATH, data)).status_code == 201
    assert post(client, upload(client, PATH, data)).status_code == 201
    limit(quota_bytes=3 * len(data) - 1)
    refused = post(client, upload(client, PATH, data))
    assert refused.json()["errors"][0]["code"] == "quota_exceeded"


def test_what_others_keep_and_what_is_on_its_way_out_does_not_count(
    alice, bob, client, client_of, upload, limit
):
    limit(quota_files=1)
    assert post(client_of(bob), upload(client_of(bob), PATH)).status_code == 201
    made = post(client, upload(client, PATH))
    assert made.status_code == 201
    assert post(client, upload(client, PATH)).status_code == 400

    assert client.delete(f"/posts/{made.json()['id']}/").status_code == 204

    assert MediaObject.objects.filter(owner=alice.pk, state=State.DELETING).count() == 1
    assert post(client, upload(client, PATH)).status_code == 201


def test_an_attempt_that_is_sent_again_counts_once(alice, client, upload, buckets, limit):
    key = upload(client, PATH)
    seen = inspect(bucket=buckets.incoming, key=key, owner=alice.pk, destination=PICTURES)
    token = uuid.uuid4()
    row = MediaObject(owner=alice.pk, **asdict(seen))
    MediaObject.objects.claim([row], token=token, lease=timedelta(seconds=60))
    MediaObject.objects.end_lease(token)

    limit(quota_files=1, quota_bytes=seen.size)

    assert post(client, key).status_code == 201
    assert MediaObject.objects.get().state == State.ATTACHED


def test_without_limits_nothing_is_counted(client, upload, limit):
    def queries():
        key = upload(client, PATH)
        with CaptureQueriesContext(connection) as asked:
            assert post(client, key).status_code == 201
        return len(asked)

    without = queries()
    limit(quota_files=10)
    assert queries() > without
