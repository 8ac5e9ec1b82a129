"""From the services' refusals to answers, in one place."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError

from sign_s3.api.exceptions import Conflict, ServiceUnavailable
from sign_s3.inspection import InspectorUnavailable
from sign_s3.services.errors import (
    RETRY_BUSY,
    RETRY_STORE,
    Problem,
    StoreBusy,
    UnknownUploads,
    UploadsInUse,
    UploadsRefused,
)


@contextmanager
def translated(places: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Raise what a service refuses as the answer the contract names: 400, 404, 409 or 503.

    ``places`` says what this request calls something that the service has another name for.
    """
    try:
        yield
    except UnknownUploads as exc:
        raise NotFound(exc.problems[0].detail, exc.problems[0].code) from exc
    except UploadsInUse as exc:
        first = exc.problems[0]
        raise Conflict(first.detail, first.code, retry_after=exc.retry_after) from exc
    except UploadsRefused as exc:
        raise ValidationError(as_detail(exc.problems, places)) from exc
    except StoreBusy as exc:
        raise ServiceUnavailable(retry_after=RETRY_BUSY) from exc
    except InspectorUnavailable as exc:
        raise ServiceUnavailable(retry_after=RETRY_STORE) from exc


def as_detail(
    problems: Sequence[Problem], places: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Problems in the shape of a serializer's errors, ``{"images": {"0": […]}}`` for images.0."""
    detail: dict[str, Any] = {}
    for problem in problems:
        *parents, last = places.get(problem.attr, problem.attr or "non_field_errors").split(".")
        place = detail
        for parent in parents:
            place = place.setdefault(parent, {})
        place.setdefault(last, []).append(ErrorDetail(problem.detail, problem.code))
    return detail
