"""The API answers in JSON, whatever was asked for, and takes JSON alone."""

import pytest
from django.test import Client

FORM = {"mime": "image/jpeg", "path": "images/users/profiles/profile_", "number": 1}


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html", "application/json; indent=4", "nonsense"]
)
def test_the_answer_is_json_whatever_accept_says(alice, client_of, accept):
    answer = client_of(alice).post("/sign_s3/", FORM, headers={"Accept": accept})

    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert b"\n" not in answer.content


def test_an_error_is_json_too(db):
    answer = Client().post("/sign_s3/", headers={"Accept": "text/html"})

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; x"]
)
def test_a_body_that_is_not_json_is_not_read(alice, client_of, content_type):
    answer = client_of(alice).post("/sign_s3/", "{}", content_type=content_type)

    assert answer.status_code == 415
    assert answer.json()["errors"][0]["code"] == "unsupported_media_type"


def test_the_schema_still_comes_in_the_format_asked_for(db):
    for accept in ("application/vnd.oai.openapi", "application/vnd.oai.openapi+json"):
        answer = Client().get("/schema/", headers={"Accept": accept})
        assert answer.headers["Content-Type"].startswith(accept)
