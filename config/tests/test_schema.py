from typing import Any

import pytest
from django.test import Client

from sign_s3.api.parsers import CODES

JSON = "application/vnd.oai.openapi+json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = Client().get("/schema/", headers={"Accept": JSON}).json()
    return document


def test_signing_documents_every_answer_it_gives(schema: dict[str, Any]) -> None:
    answers = schema["paths"]["/sign_s3/"]["post"]["responses"]
    expected = "201 400 401 405 409 413 415 429 500 503"
    assert " ".join(sorted(answers)) == expected


def test_a_reader_sees_why_a_body_was_not_read(schema: dict[str, Any]) -> None:
    codes = schema["components"]["schemas"]["UnreadableBodyCodeEnum"]["enum"]
    assert codes == [*CODES, "parse_error"]


def test_a_token_is_a_bearer(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer"}
