"""Every failure is JSON of one shape and says nothing of our insides."""

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.test import Client, override_settings
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from config import urls
from sign_s3.api.exceptions import Conflict, PayloadTooLarge, ServiceUnavailable
from sign_s3.bucket import BucketAccessDenied, BucketUnavailable, NoSuchBucket
from sign_s3.signing import CredentialsExpired

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


def answer(exc: Exception) -> Response:
    """What an API view answers in which `exc` is raised."""

    class View(APIView):
        authentication_classes = ()
        permission_classes = ()

        def get(self, request: Request) -> Response:
            raise exc

    response: Response = View.as_view()(APIRequestFactory().get("/"))
    return response


def body(kind: str, code: str, detail: str) -> dict[str, Any]:
    return {"type": kind, "errors": [{"code": code, "detail": detail, "attr": None}]}


@pytest.mark.parametrize(
    "exc",
    [
        OperationalError("database is locked"),
        InterfaceError("connection already closed"),
        BucketUnavailable("media", "timed out"),
        BucketAccessDenied("media", "no"),
        NoSuchBucket("media", "", "gone"),
        CredentialsExpired("over"),
        ServiceUnavailable(),
    ],
)
def test_what_cannot_be_reached_is_a_503_that_says_when_to_come_back(exc: Exception) -> None:
    response = answer(exc)
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response.data == body(
        "server_error", "service_unavailable", "Temporarily unavailable, try again later."
    )


def test_a_store_that_is_down_is_logged_in_a_line_and_one_that_refuses_with_its_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer(BucketUnavailable("media", "timed out"))
    answer(BucketAccessDenied("media", "no"))
    down, refused = (record for record in caplog.records if record.name == "config.exceptions")
    assert (down.levelno, down.exc_info) == (logging.WARNING, None)
    assert refused.levelno == logging.ERROR
    assert refused.exc_info


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (SuspiciousOperation(SECRET), 400, "parse_error"),
        (UnreadablePostError(SECRET), 400, "parse_error"),
        (RequestDataTooBig(SECRET), 413, "payload_too_large"),
        (PayloadTooLarge(), 413, "payload_too_large"),
        (Conflict(code="attached"), 409, "attached"),
    ],
)
def test_a_clients_mistake_is_a_4xx_with_a_code(exc: Exception, status: int, code: str) -> None:
    response = answer(exc)
    assert response.status_code == status
    assert response.data["type"] == "client_error"
    assert [error["code"] for error in response.data["errors"]] == [code]
    assert SECRET not in str(response.data)


def test_a_conflict_that_passes_says_when() -> None:
    assert answer(Conflict(code="attaching", retry_after=3))["Retry-After"] == "3"
    assert "Retry-After" not in answer(Conflict(code="attached"))


def test_a_bug_is_a_500_without_its_insides() -> None:
    response = answer(RuntimeError(SECRET))
    assert response.status_code == 500
    assert response.data == body("server_error", "error", "Server Error (500)")


# ---------------------------------------------------------------- outside the API's views


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(SECRET)


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied(SECRET)


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [path("broken", broken), path("forbidden", forbidden)]


@pytest.mark.parametrize(
    ("address", "status", "answered"),
    [
        ("/broken", 500, body("server_error", "error", "Internal Server Error.")),
        ("/forbidden", 403, body("client_error", "permission_denied", "Forbidden.")),
        ("/nowhere", 404, body("client_error", "not_found", "Not Found.")),
    ],
)
@override_settings(ROOT_URLCONF=__name__)
def test_django_itself_answers_in_the_same_shape(
    address: str, status: int, answered: dict[str, Any]
) -> None:
    response = Client(raise_request_exception=False).get(address)
    assert response.status_code == status
    assert response.json() == answered


@override_settings(ROOT_URLCONF=__name__, DEBUG=True)
def test_a_developers_error_page_shows_no_secret_either() -> None:
    def page(**headers: str) -> str:
        client = Client(raise_request_exception=False)
        response = client.post("/broken", {"password": SECRET, "note": SECRET}, headers=headers)
        return response.content.decode()

    shown = page(Authorization=f"Bearer {SECRET}", Cookie=f"sessionid={SECRET}")
    assert "RuntimeError" in shown
    # The exception's own text is the developer's, written in the code the page quotes.
    assert shown.count(SECRET) == page().count(SECRET)
