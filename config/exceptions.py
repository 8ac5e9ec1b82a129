"""Which answer an exception becomes: always JSON of one shape, never a stack trace.

drf-standardized-errors' handler with the errors of this service, of the database and of Django's
request reading added. The views at the end are for what goes wrong outside any API view.
"""

import logging
from http import HTTPStatus

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from drf_standardized_errors import handler
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.response import Response

from sign_s3.api.exceptions import PayloadTooLarge, ServiceUnavailable
from sign_s3.bucket import BucketException, BucketUnavailable
from sign_s3.signing import CredentialsExpired

log = logging.getLogger(__name__)


class ExceptionHandler(handler.ExceptionHandler):
    """Handles every exception of every API view; a 503 carries Retry-After."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        match exc:
            case OperationalError() | InterfaceError() | BucketException() | CredentialsExpired():
                return ServiceUnavailable()
            case RequestDataTooBig():
                return PayloadTooLarge()
            case SuspiciousOperation() | BadRequest() | UnreadablePostError():
                return ParseError("The request could not be read.")
            case _:
                known: Exception = super().convert_known_exceptions(exc)
                return known

    def report_exception(self, exc: APIException, response: Response) -> None:
        if exc.status_code != status.HTTP_503_SERVICE_UNAVAILABLE:
            super().report_exception(exc, response)
        elif isinstance(self.exc, BucketException) and not isinstance(self.exc, BucketUnavailable):
            # S3 answered, and not what it should: a missing bucket, a right not granted.
            log.error("S3 refused: %s", type(self.exc).__name__, exc_info=self.exc)
        else:
            # A line for each: while S3 is down, a stack trace for each request would bury the rest.
            log.warning("unavailable: %s: %s", type(self.exc).__name__, self.exc)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: a Host that isn't ours, say."""
    return refusal(HTTPStatus.BAD_REQUEST, "bad_request")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403"""
    return refusal(HTTPStatus.FORBIDDEN, "permission_denied")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: an address nothing listens at."""
    return refusal(HTTPStatus.NOT_FOUND, "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500"""
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "error")


def refusal(status: HTTPStatus, code: str, detail: str | None = None) -> HttpResponse:
    """An error in the API's shape, for where there is no API view."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "client_error"
    error = {"code": code, "detail": detail or f"{status.phrase}.", "attr": None}
    return JsonResponse({"type": kind, "errors": [error]}, status=status)
