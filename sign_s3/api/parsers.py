"""The one parser of the API: JSON objects, strictly (RFC 8259, I-JSON of RFC 7493), within limits.

Whatever a client sends ends in a plain dict or a 4xx with a code. What could be expensive, deep
nesting and long numbers, is looked for before parsing.
"""

import json
import math
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import IO, Any, Final, NoReturn

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from sign_s3.api.exceptions import PayloadTooLarge

#: Bytes of a body, unless the view has a `max_body` of its own.
MAX_BODY: Final = 64 * 1024
#: Objects and arrays inside one another.
MAX_DEPTH: Final = 16
#: Characters of a number; the longest double takes 24, a 64-bit integer 20.
MAX_NUMBER: Final = 32

#: Why a body was refused with 400, for the schema and for tests.
CODES: Final = (
    "incomplete_body",
    "invalid_json",
    "invalid_unicode",
    "duplicate_key",
    "number_too_long",
    "too_deep",
    "not_an_object",
)

# A string, also one that never ends; possessive, so it takes linear time on any input.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_LONG_NUMBER: Final = re.compile(rb"[0-9.eE+-]{%d}" % (MAX_NUMBER + 1))
#: What a byte adds to the depth, and those that add nothing.
_STEP: Final = tuple((byte in b"[{") - (byte in b"]}") for byte in range(256))
_FLAT: Final = bytes(byte for byte in range(256) if not _STEP[byte])


def _refuse(code: str, detail: str) -> NoReturn:
    raise ParseError(detail, code)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("duplicate_key", "An object names the same key twice.")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse("invalid_json", "A number is out of range.")
    return number


def _no_constant(name: str) -> NoReturn:
    _refuse("invalid_json", f"{name} is not JSON.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
)


def parse_object(body: bytes) -> dict[str, Any]:
    """The object that `body` is the JSON of; `ParseError` with one of `CODES` otherwise."""
    _guard(body)
    try:
        data = _DECODER.decode(body.decode())
    except UnicodeDecodeError as exc:
        raise ParseError("The body is not UTF-8.", "invalid_unicode") from exc
    except json.JSONDecodeError as exc:
        raise ParseError(f"Not JSON: {exc.msg} at character {exc.pos}.", "invalid_json") from exc
    if type(data) is not dict:
        _refuse("not_an_object", "The body must be a JSON object.")
    if b"\\u" in body:
        _refuse_lone_surrogates(data)
    return data


def _guard(body: bytes) -> None:
    """Refuse what would be expensive to parse. The usual small body passes on two counts."""
    deep = body.count(b"[") + body.count(b"{") > MAX_DEPTH
    if not deep and _LONG_NUMBER.search(body) is None:
        return
    bare = _STRING.sub(b'""', body)
    if _LONG_NUMBER.search(bare) is not None:
        _refuse("number_too_long", f"A number has more than {MAX_NUMBER} characters.")
    depths = accumulate(map(_STEP.__getitem__, bare.translate(None, _FLAT)))
    if max(depths, default=0) > MAX_DEPTH:
        _refuse("too_deep", f"More than {MAX_DEPTH} levels of nesting.")


def _refuse_lone_surrogates(data: dict[str, Any]) -> None:
    # Half of a UTF-16 pair can be written as an escape, but nothing can store or print it.
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise ParseError("A string holds half a character.", "invalid_unicode") from exc


class GuardedJSONParser(BaseParser):
    """`application/json` in UTF-8 to a dict; a view may set `max_body`, in bytes.

    `UnsupportedMediaType` 415, `PayloadTooLarge` 413 or `ParseError` 400 for everything else. It is
    no subclass of DRF's JSONParser, for those are only given bodies already read into memory.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        context = parser_context or {}
        if media_type != "application/json":
            _check_media_type(media_type or "")
        limit: int = getattr(context.get("view"), "max_body", MAX_BODY)
        request = context.get("request")
        declared = content_length(request.META) if request is not None else None
        if declared is not None and declared > limit:
            raise PayloadTooLarge(f"The request body is limited to {limit} bytes.")
        body = _read(stream, limit)
        if declared is not None and len(body) < declared:
            _refuse("incomplete_body", "The body is shorter than its Content-Length.")
        return parse_object(body)


def _check_media_type(media_type: str) -> None:
    essence, *parameters = (part.strip().lower() for part in media_type.split(";"))
    allowed = {"charset=utf-8", 'charset="utf-8"', ""}
    if essence != "application/json" or not allowed.issuperset(parameters):
        raise UnsupportedMediaType(media_type)


def content_length(meta: Mapping[str, Any]) -> int | None:
    """The bytes that a request says its body has; None if it does not say, or no number."""
    try:
        return int(meta["CONTENT_LENGTH"])
    except (KeyError, ValueError):
        return None


def _read(stream: IO[Any], limit: int) -> bytes:
    """The whole stream, `PayloadTooLarge` past `limit` bytes. Servers may answer short reads."""
    body: bytes = stream.read(limit + 1)
    while body and len(body) <= limit and (more := stream.read(limit + 1 - len(body))):
        body += more
    if len(body) > limit:
        raise PayloadTooLarge(f"The request body is limited to {limit} bytes.")
    return body
