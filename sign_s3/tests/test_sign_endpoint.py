"""``POST /sign_s3/``: what it answers, and what it refuses with which code (A1-A3, S6, F1)."""

import base64
import json
import re
from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from sign_s3 import bucket
from sign_s3.keys import parse_key

PATH = "images/users/profiles/profile_"
GOOD = {"mime": "image/jpeg", "path": PATH, "number": 1}


@pytest.fixture
def client(alice, client_of):
    return client_of(alice)


def error_of(answer):
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    return error["attr"], error["code"]


def test_a_form_has_these_two_keys_and_these_fields(client, alice):
    answer = client.post("/sign_s3/", GOOD)

    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    (form,) = answer.json()
    fields = form["fields"]
    assert form["url"] == "https://test-incoming.s3.eu-west-1.amazonaws.com/"
    assert list(form) == ["url", "fields"]
    assert set(fields) == {
        "acl", "Content-Type", "x-amz-meta-userid", "key", "x-amz-algorithm",
        "x-amz-credential", "x-amz-date", "policy", "x-amz-signature",
    }  # fmt: skip
    assert re.fullmatch(r"media/images/users/profiles/profile_\w{22}\.jpeg", fields["key"])
    assert parse_key(fields["key"]).path == PATH
    assert fields["acl"] == "bucket-owner-full-control"
    assert fields["Content-Type"] == "image/jpeg"
    assert fields["x-amz-meta-userid"] == alice.pk


def test_the_policy_pins_everything_and_allows_nothing_else(client):
    (form,) = client.post("/sign_s3/", GOOD).json()
    fields = form["fields"]
    policy = json.loads(base64.b64decode(fields["policy"]))

    pinned = {name: fields[name] for name in fields if name not in {"policy", "x-amz-signature"}}
    assert sorted(map(repr, policy.pop("conditions"))) == sorted(
        [
            *(repr({name: value}) for name, value in pinned.items()),
            repr({"bucket": "test-incoming"}),
            repr(["content-length-range", 1, 10 * 1024 * 1024]),
        ]
    )
    life = datetime.fromisoformat(policy.pop("expiration")) - datetime.strptime(
        fields["x-amz-date"], "%Y%m%dT%H%M%SZ"
    ).replace(tzinfo=UTC)
    assert life.total_seconds() == 300
    assert policy == {}


def test_ten_forms_have_ten_keys(client):
    forms = client.post("/sign_s3/", {**GOOD, "number": 10}).json()
    assert len({form["fields"]["key"] for form in forms}) == 10


def test_signing_asks_neither_the_database_nor_s3(client, django_assert_num_queries, settings):
    # Nothing listens there, so a call to S3 would fail (F1).
    settings.AWS_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    asked: list[str] = []
    stop = bucket.on_request(asked.append)
    try:
        with django_assert_num_queries(0):
            assert client.post("/sign_s3/", GOOD).status_code == 201
            assert client.post("/sign_s3/", {**GOOD, "number": 0}).status_code == 400
    finally:
        stop()
    assert asked == []


def test_nobody_signs_without_a_token(db):
    answer = APIClient().post("/sign_s3/", GOOD)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json() == {
        "type": "client_error",
        "errors": [
            {
                "code": "not_authenticated",
                "detail": "Authentication credentials were not provided.",
                "attr": None,
            }
        ],
    }


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/x",
        "a//b",
        "%2e%2e",
        "a\\b",
        "images/users/profiles/profile_\n",
        " images/users/profiles/profile_",
        "images/users/profiles/profile_ ",
        "images/users/profiles/profile_\u200f",
        "images/users/profiles/profile\u0301_",
        "images/users/profiles/profile_" * 70,
        "images/users/profiles/${filename}",
        '"},{"acl":"public-read',
        "images/users/profiles/",
        "Images/users/profiles/profile_",
        "media/images/users/profiles/profile_",
    ],
)
def test_a_path_nobody_declared_is_refused(client, path):
    assert error_of(client.post("/sign_s3/", {**GOOD, "path": path})) == ("path", "unknown_path")


@pytest.mark.parametrize(
    "mime",
    [
        "text/html;image/png",
        "image/png,text/html",
        "IMAGE/PNG",
        "image/png\r\n",
        " image/png",
        "image/svg+xml",
        "text/html",
        "video/mp4",
    ],
)
def test_a_type_the_path_does_not_take_is_refused(client, mime):
    assert error_of(client.post("/sign_s3/", {**GOOD, "mime": mime})) == (
        "mime",
        "type_not_allowed",
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (0, "min_value"),
        (-1, "min_value"),
        (11, "max_value"),
        (10**9, "max_value"),
        (2.5, "invalid"),
        (3.0, "invalid"),
        (True, "invalid"),
        ("3", "invalid"),
        (None, "null"),
        ([1], "invalid"),
    ],
)
def test_a_number_that_is_no_integer_from_1_to_10_is_refused(client, number, code):
    assert error_of(client.post("/sign_s3/", {**GOOD, "number": number})) == ("number", code)


@pytest.mark.parametrize("name", ["mime", "path", "number"])
def test_all_three_are_required(client, name):
    body = {key: value for key, value in GOOD.items() if key != name}
    assert error_of(client.post("/sign_s3/", body)) == (name, "required")


@pytest.mark.parametrize("name", ["mime", "path"])
@pytest.mark.parametrize(
    ("value", "code"),
    [("", "blank"), (7, "invalid"), (None, "null"), ("\0", "null_characters_not_allowed")],
)
def test_a_text_that_is_none_is_refused(client, name, value, code):
    assert error_of(client.post("/sign_s3/", {**GOOD, name: value})) == (name, code)


def test_everything_wrong_is_told_at_once(client):
    answer = client.post("/sign_s3/", {"mime": 1, "number": "x"})
    assert [(e["attr"], e["code"]) for e in answer.json()["errors"]] == [
        ("mime", "invalid"),
        ("path", "required"),
        ("number", "invalid"),
    ]


def test_a_store_that_takes_no_forms_gets_presigned_puts(client, alice, settings):
    settings.SIGN_S3 = {**settings.SIGN_S3, "form_posts": False}

    (put,) = client.post("/sign_s3/", GOOD).json()

    url, _, query = put.pop("url").partition("?")
    assert url == "https://test-incoming.s3.eu-west-1.amazonaws.com/" + put["key"]
    assert "X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-meta-userid" in query
    assert put == {
        "method": "PUT",
        "headers": {"Content-Type": "image/jpeg", "x-amz-meta-userid": alice.pk},
        "key": put["key"],
    }
