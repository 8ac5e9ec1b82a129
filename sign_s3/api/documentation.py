"""What the OpenAPI document says of a view's methods: noted beside them, read when it is written.

drf-spectacular's own ``extend_schema`` loads its generator at once, which takes 3 MB of each worker
and a tenth of a second of its start; most workers never write the document.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema

Method = TypeVar("Method", bound=Callable[..., Any])
#: Path, its pattern, HTTP method and view function of an operation.
Endpoint = tuple[str, str, str, Any]


def documented(**said: Any) -> Callable[[Method], Method]:
    """Note what ``extend_schema`` takes, in its own words."""

    def note(method: Method) -> Method:
        method.__dict__["documented"] = said
        return method

    return note


def read_notes(endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """For drf-spectacular's PREPROCESSING_HOOKS: give it what is noted at the views' methods."""
    for _, _, name, view in endpoints:
        # A view set has methods of other names.
        method: Any = getattr(view.cls, name.lower(), None)
        if (said := getattr(method, "documented", None)) is not None:
            extend_schema(**said)(method)
            # Every call of it adds a class to those before.
            method.__dict__.pop("documented", None)
    return endpoints
