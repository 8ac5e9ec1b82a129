"""``GET /uppy/s3/params``: the same form as POST /sign_s3/ gives, in Companion's words."""

from typing import Any

import pytest
from django.utils.http import urlencode
from rest_framework.test import APIClient

from sign_s3 import bucket

PATH = "images/posts/post_"
GOOD = {"filename": "beach.png", "type": "image/png", "metadata[path]": PATH}


@pytest.fixture
def ask(alice, client_of):
    client = client_of(alice)
    return lambda query: client.get(f"/uppy/s3/params?{urlencode(query, doseq=True)}")


def error_of(answer):
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    return error["attr"], error["code"]


def test_the_answer_is_companions_with_a_form_of_ours(ask, alice):
    answer = ask(GOOD)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    params = answer.json()
    fields = params["fields"]
    assert params == {
        "method": "POST",
        "url": "https://test-incoming.s3.eu-west-1.amazonaws.com/",
        "fields": {
            "acl": "bucket-owner-full-control",
            "Content-Type": "image/png",
            "x-amz-meta-userid": alice.pk,
            "key": fields["key"],
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": fields["x-amz-credential"],
            "x-amz-date": fields["x-amz-date"],
            "policy": fields["policy"],
            "x-amz-signature": fields["x-amz-signature"],
        },
    }
    assert fields["key"].startswith(f"media/{PATH}")


def test_a_store_that_takes_no_forms_gets_a_put(ask, alice, settings):
    settings.SIGN_S3 = {**settings.SIGN_S3, "form_posts": False}

    params = ask(GOOD).json()

    assert params == {
        "method": "PUT",
        "url": params["url"],
        "headers": {"Content-Type": "image/png", "x-amz-meta-userid": alice.pk},
        "fields": {"key": params["fields"]["key"]},
    }
    assert params["fields"]["key"] in params["url"]


def test_signing_asks_neither_the_database_nor_s3(ask, django_assert_num_queries, settings):
    settings.AWS_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    asked: list[str] = []
    stop = bucket.on_request(asked.append)
    try:
        with django_assert_num_queries(0):
            assert ask(GOOD).status_code == 200
    finally:
        stop()
    assert asked == []


def test_nobody_signs_without_a_token(db):
    answer = APIClient().get("/uppy/s3/params", GOOD)

    assert answer.status_code == 401
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


def test_a_form_costs_one_signed_key(ask):
    first, second = (ask(GOOD).headers["RateLimit"] for _ in range(2))
    left = [int(said.partition("r=")[2].partition(";")[0]) for said in (first, second)]
    assert left[0] - left[1] == 1


def test_a_file_name_is_not_looked_at(ask):
    for filename in [
        '<img src=x onerror="hit=1">.png',
        'a"b\r\nX-Evil: 1\r\n\r\n.png',
        "${filename}",
        "../../etc/passwd",
        "x" * 10_000,
        "",
        "\u202egnp.exe",
    ]:
        answer = ask({**GOOD, "filename": filename, "metadata[name]": filename})

        assert answer.status_code == 200, filename
        start, _, rest = answer.json()["fields"]["key"].partition("post_")
        assert f"{start}post_" == f"media/{PATH}"
        assert rest.endswith(".png")
        assert len(rest) == 22 + len(".png")


def test_what_is_wrong_is_named(ask):
    wrong: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"metadata[path]": None}, ("metadata.path", "required")),
        ({"metadata[path]": None, "metadata": PATH}, ("metadata.path", "required")),
        ({"metadata[path]": None, "metadata[path][x]": PATH}, ("metadata.path", "required")),
        ({"metadata[path]": None, "metadata[Path]": PATH}, ("metadata.path", "required")),
        ({"metadata[path]": None, "path": PATH}, ("metadata.path", "required")),
        ({"metadata[path]": None, "metadata": '{"path": "x"}'}, ("metadata.path", "required")),
        ({"metadata[path]": ""}, ("metadata.path", "blank")),
        ({"metadata[path]": [PATH, PATH]}, ("metadata.path", "invalid")),
        ({"metadata[path]": "images/posts/"}, ("metadata.path", "unknown_path")),
        ({"metadata[path]": f"media/{PATH}"}, ("metadata.path", "unknown_path")),
        ({"metadata[path]": "../x"}, ("metadata.path", "unknown_path")),
        ({"type": None}, ("type", "required")),
        ({"type": ""}, ("type", "blank")),
        ({"type": ["image/png", "image/png"]}, ("type", "invalid")),
        ({"type": "image/svg+xml"}, ("type", "type_not_allowed")),
        ({"type": "IMAGE/PNG"}, ("type", "type_not_allowed")),
        ({"type": "image/png\r\nx: y"}, ("type", "type_not_allowed")),
    ]
    for change, expected in wrong:
        query = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
        assert error_of(ask(query)) == expected, change
