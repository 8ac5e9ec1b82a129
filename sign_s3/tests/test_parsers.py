import io
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from sign_s3.api.exceptions import PayloadTooLarge
from sign_s3.api.parsers import (
    CODES,
    MAX_BODY,
    MAX_DEPTH,
    MAX_NUMBER,
    GuardedJSONParser,
    parse_object,
)


def code_for(body: bytes) -> str:
    with pytest.raises(ParseError) as refusal:
        parse_object(body)
    return str(refusal.value.get_codes())


def read(body: bytes) -> dict[str, Any] | str:
    """The object, or the code of the refusal."""
    try:
        return parse_object(body)
    except ParseError as exc:
        return str(exc.get_codes())


def test_an_object_is_read_as_json_reads_it() -> None:
    body = '{"mime": "image/jpeg", "n": [1, -2.5e3, true, null, {"é": "\\u00e9 \\ud83d\\ude00"}]}'
    assert parse_object(body.encode()) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"   ", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"a": 1} x', "invalid_json"),
        (b'{"a": 1}{"b": 2}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": Infinity}', "invalid_json"),
        (b'{"a": -Infinity}', "invalid_json"),
        (b'{"a": 1e999}', "invalid_json"),
        (b'{"a": 01}', "invalid_json"),
        (b"{'a': 1}", "invalid_json"),
        (b'{"a": "line\nbreak"}', "invalid_json"),
        (b"mime=image%2Fjpeg&number=1", "invalid_json"),
        (b'{"a": "\xff"}', "invalid_unicode"),
        (b'{"a": "\xed\xa0\x80"}', "invalid_unicode"),
        (b'{"a": "\\ud800"}', "invalid_unicode"),
        (b'{"\\udfff": 1}', "invalid_unicode"),
        (b'{"a": ["\\ude00\\ud83d"]}', "invalid_unicode"),
        ('{"a": 1}'.encode("utf-16"), "invalid_unicode"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "duplicate_key"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number_too_long"),
        (b'{"a": -0.' + b"1" * 5000 + b"}", "number_too_long"),
        (b'{"a":' * 100_000, "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b"[]", "not_an_object"),
        (b'[{"mime": "image/jpeg"}]', "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"3", "not_an_object"),
        (b"null", "not_an_object"),
        (b"true", "not_an_object"),
    ],
)
def test_what_is_no_plain_object_is_refused_with_a_code(body: bytes, code: str) -> None:
    assert code_for(body) == code


def test_the_limits_themselves_are_taken() -> None:
    nested = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert parse_object(nested)
    assert code_for(b'{"a":' + nested + b"}") == "too_deep"
    assert parse_object(b'{"a": ' + b"9" * MAX_NUMBER + b"}")


def test_brackets_and_digits_inside_strings_do_not_count() -> None:
    text = '[{"' * 1000 + "\\" + "9" * 1000
    assert parse_object(json.dumps({"caption": text}).encode()) == {"caption": text}


def test_many_shallow_values_are_no_nesting() -> None:
    parts = [{"PartNumber": n, "ETag": '"x"'} for n in range(1000)]
    assert parse_object(json.dumps({"parts": parts}).encode()) == {"parts": parts}


@pytest.mark.parametrize(
    "body", [b'"' + b'\\"' * 32_000, b'"' * 65_536, b"\\" * 65_536, b'{"' + b'a"' * 32_000]
)
def test_no_body_within_the_limit_takes_long(body: bytes) -> None:
    started = time.perf_counter()
    code_for(body)
    assert time.perf_counter() - started < 0.5


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0d8f19.eE-tn \x00', max_size=60))
def test_any_bytes_are_an_object_or_a_known_refusal(body: bytes | str) -> None:
    outcome = read(body if isinstance(body, bytes) else body.encode())
    assert isinstance(outcome, dict) or outcome in CODES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_can_be_written_is_read_back(data: dict[str, Any]) -> None:
    try:
        written = json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert read(written) in (data, "too_deep")


class Message:
    """A request as far as the parser looks at it."""

    def __init__(self, length: str | None) -> None:
        self.META = {} if length is None else {"CONTENT_LENGTH": length}


class View:
    max_body = 20


class Trickle(io.BytesIO):
    """A socket that hands out a byte at a time, as servers may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1))


def parse(
    body: bytes,
    *,
    length: str | None = None,
    view: object = None,
    media_type: str = "application/json",
    stream: type[io.BytesIO] = io.BytesIO,
) -> dict[str, Any]:
    context = {"request": Message(length), "view": view}
    return GuardedJSONParser().parse(stream(body), media_type, context)


def test_a_body_of_exactly_the_limit_is_read() -> None:
    body = b'{"a": "0123456789"} '
    assert len(body) == View.max_body
    assert parse(body, length="20", view=View()) == {"a": "0123456789"}


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    stream = io.BytesIO(b"{}" + b" " * 19)
    context = {"request": Message("21"), "view": View()}
    with pytest.raises(PayloadTooLarge):
        GuardedJSONParser().parse(stream, "application/json", context)
    assert stream.tell() == 0


@pytest.mark.parametrize("length", [None, "", "nonsense", "2"])
def test_a_body_over_the_limit_is_refused_whatever_its_length_claims(length: str | None) -> None:
    with pytest.raises(PayloadTooLarge):
        parse(b"{}" + b" " * 19, length=length, view=View())


def test_views_without_a_limit_of_their_own_have_the_default() -> None:
    assert parse(b"{}" + b" " * (MAX_BODY - 2)) == {}
    with pytest.raises(PayloadTooLarge):
        parse(b"{}" + b" " * (MAX_BODY - 1))


def test_short_reads_are_put_together() -> None:
    assert parse(b'{"a": 1}', length="8", stream=Trickle) == {"a": 1}


def test_a_body_cut_off_is_refused_even_if_it_happens_to_be_json() -> None:
    with pytest.raises(ParseError) as refusal:
        parse(b"{}", length="9")
    assert refusal.value.get_codes() == "incomplete_body"


@pytest.mark.parametrize(
    "media_type",
    ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"'],
)
def test_json_in_utf_8_by_another_spelling_is_parsed(media_type: str) -> None:
    assert parse(b"{}", media_type=media_type) == {}


@pytest.mark.parametrize(
    "media_type",
    ["application/json; charset=utf-16", "*/*", "application/*", "text/json", "", "a;b;c"],
)
def test_everything_else_is_415(media_type: str) -> None:
    with pytest.raises(APIException) as refusal:
        parse(b"{}", media_type=media_type)
    assert refusal.type is UnsupportedMediaType
