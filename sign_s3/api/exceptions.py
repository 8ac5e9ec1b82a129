"""Answers that Django REST framework has no exception for. Each carries a code.

A number of seconds in `wait` becomes the answer's Retry-After.
"""

from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException


class Retryable(APIException):
    """An answer that may differ in `retry_after` seconds."""

    wait: int | None = None

    def __init__(
        self, detail: Any = None, code: str | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail, code)
        if retry_after is not None:
            self.wait = retry_after


class Conflict(Retryable):
    """409: right in itself, but not in the state things are in. Retry-After if that may change."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "This conflicts with the state of things."
    default_code = "conflict"


class ServiceUnavailable(Retryable):
    """503 with Retry-After: something this service leans on cannot be reached."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Temporarily unavailable, try again later."
    default_code = "service_unavailable"
    wait = 5


class PayloadTooLarge(APIException):
    """413: the body is larger than this endpoint reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is too large."
    default_code = "payload_too_large"
