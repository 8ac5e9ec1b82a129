from typing import Any

import pytest
from django.test import Client

from sign_s3.api.parsers import CODES
from sign_s3.api.views import SignS3View

JSON = "application/vnd.oai.openapi+json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = Client().get("/schema/", headers={"Accept": JSON}).json()
    return document


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("post /sign_s3/", "201 400 401 411 413 415 429 503"),
        ("delete /sign_s3/", "204 400 401 404 409 411 413 415 503"),
        ("post /users/", "201 400 411 413 415 429 503"),
        ("post /auth/token/", "200 400 401 411 413 415 429 503"),
        ("post /auth/token/refresh/", "200 400 401 411 413 415 503"),
        ("get /posts/", "200 400 401 404 503"),
        ("post /posts/", "201 400 401 403 409 411 413 415 422 503"),
        ("patch /posts/{id}/", "200 400 401 403 404 409 411 413 415 503"),
        ("get /uppy/s3/params", "200 400 401 429 503"),
        ("post /uppy/s3/multipart", "200 400 401 411 413 415 429 503"),
        ("get /uppy/s3/multipart/{upload_id}", "200 400 401 404 429 503"),
        ("delete /uppy/s3/multipart/{upload_id}", "200 400 401 404 411 413 415 429 503"),
        ("get /uppy/s3/multipart/{upload_id}/batch", "200 400 401 404 503"),
        ("post /uppy/s3/multipart/{upload_id}/complete", "200 400 401 404 411 413 415 429 503"),
        ("get /uppy/s3/multipart/{upload_id}/{part_number}", "200 400 401 404 503"),
        ("get /users/me/", "200 400 401 503"),
    ],
)
def test_every_status_an_operation_answers_is_there(
    schema: dict[str, Any], operation: str, expected: str
) -> None:
    method, path = operation.split()
    assert " ".join(sorted(schema["paths"][path][method]["responses"])) == expected


def test_all_errors_have_one_shape_and_those_to_send_again_a_time(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status < "400":
                    continue
                where = method, path, status
                shape = response["content"]["application/json"]["schema"]
                assert shape == {"$ref": "#/components/schemas/Errors"}, where
                assert ("Retry-After" in response.get("headers", {})) == (
                    status in {"409", "429", "503"}
                ), where


def test_a_reader_sees_why_a_body_was_not_read(schema: dict[str, Any]) -> None:
    described = schema["paths"]["/sign_s3/"]["post"]["responses"]["400"]["description"]
    assert all(f"`{code}`" in described for code in CODES)


def test_limited_operations_name_their_headers(schema: dict[str, Any]) -> None:
    signing = schema["paths"]["/sign_s3/"]
    assert {"RateLimit", "RateLimit-Policy"} <= signing["post"]["responses"]["201"][
        "headers"
    ].keys()
    assert "headers" not in signing["delete"]["responses"]["204"]


def test_a_token_is_a_bearer(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer"}


def test_the_document_is_the_same_each_time_and_costs_no_more() -> None:
    def written() -> tuple[bytes, int]:
        content = Client().get("/schema/", headers={"Accept": JSON}).content
        return content, len(SignS3View.post.__dict__["kwargs"]["schema"].__mro__)

    assert written() == written()
