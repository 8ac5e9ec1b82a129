"""Logs as one JSON object a line on stderr, from which nothing can be signed, read or logged in.

Redaction works on the finished line, so a traceback's message is covered like any other text. It
knows the values that are secret here, and the shapes of those that are made while running.
"""

import json
import logging
import re
from collections.abc import ItemsView, Iterable
from datetime import UTC, datetime
from pprint import pformat
from types import FrameType, TracebackType
from typing import Any, Final

from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter

REDACTED: Final = "[redacted]"
#: Characters of a line's message, or of a traceback's end.
MAX_TEXT: Final = 8192

_NAMES: Final = (
    r"(?:[\w-]{0,40}(?:password|secret|access_?key|secret_?key|token|signature|policy|cookie)"
    r"|x-amz-credential|authorization|access|refresh|old|new)"
)
_SHAPES: Final = re.compile(
    # the query of a presigned URL
    r"(?<=\?)[^\s\"'<>?]*X-Amz-[^\s\"'<>]*"
    # name=value in a form, "name": "value" in JSON or a dict's repr
    rf"|(?i:(?<![\w-]){_NAMES}=)(?P<form>[^\s&\"'<>,)]+)"
    rf"|(?i:\\?[\"']{_NAMES}\\?[\"']\s*[:,]\s*b?)(?P<quoted>\\?\"[^\"]*\"|'[^']*')"
    # Authorization's value
    r"|(?i:\b(?:bearer|basic|AWS4-HMAC-SHA256)\s+)(?P<scheme>[^\s\"'\\]+(?:,\s*\w+=[^\s\"'\\,]+)*)"
    # the userinfo of a URL
    r"|(?<=://)(?P<user>[^\s/@\"']+)(?=@)"
    # base64 of '{"', with which tokens and policies begin; a signature in hexadecimal
    r"|eyJ[\w+/=.-]{16,}|(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])"
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the given secrets and without anything that has the shape of one."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _SHAPES.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    whole, group = match[0], match.lastgroup
    if group is None or group == "user":
        return REDACTED
    value = match[group]
    name = whole[: len(whole) - len(value)]
    return f'{name}"{REDACTED}"' if group == "quoted" else name + REDACTED


class JSONFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message"}``, with ``exception`` where there is one."""

    def __init__(self, *args: Any, secrets: Iterable[str | None] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()[:MAX_TEXT], self._secrets),
        }
        if record.exc_info:
            line["exception"] = self._traceback(record.exc_info)
        return json.dumps(line, ensure_ascii=True)

    def _traceback(
        self, exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | Any
    ) -> str:
        return redact(self.formatException(exc_info)[-MAX_TEXT:], self._secrets)


class ReporterFilter(SafeExceptionReporterFilter):
    """What a developer's error page (DEBUG) and an error mail may show: no input, no secret.

    Unlike Django's own filter it is at work with DEBUG on too.
    """

    hidden_settings = re.compile(
        r"API|AUTH|COOKIE|CREDENTIAL|DATABASE|KEY|PASS|POLICY|REDIS|SECRET|SESSION|SIGNATURE|TOKEN"
        r"|LOGGING|EMAIL|QUERY|BODY|DATA|_URL$",
        re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        posted: Iterable[str] = request.POST if request is not None else QueryDict()
        return dict.fromkeys(posted, self.cleansed_substitute)

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        return {
            name: self.cleansed_substitute
            if self.hidden_settings.search(name)
            else redact(_shown(value))
            for name, value in tb_frame.f_locals.items()
        }.items()


def _shown(value: object) -> str:
    try:
        return pformat(value)[:MAX_TEXT]
    except Exception as exc:  # noqa: BLE001 - a page about an error must not fail on a bad repr
        return f"<{type(value).__name__}: {type(exc).__name__}>"
