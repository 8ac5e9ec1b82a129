"""A WSGI application asked as a server asks it, without a server."""

import io
from collections.abc import Mapping
from typing import Any
from wsgiref.util import setup_testing_defaults


def ask(
    application: Any,
    path: str,
    *,
    expect: str,
    method: str = "GET",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """The body of an answer whose status line is ``expect``; `AssertionError` for another one."""
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in (headers or {}).items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    statuses: list[str] = []
    answer = application(environ, lambda status, _: statuses.append(status))
    said = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    assert statuses == [expect], (statuses, said)
    return said
