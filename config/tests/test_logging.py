"""A16: no signature, policy, token or secret in logs, whatever text they arrive in."""

import base64
import json
import logging
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from config.logging import REDACTED, JSONFormatter, ReporterFilter, redact
from sign_s3.services.ticket import Ticket
from users.tokens import issue_pair

SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
POLICY = base64.b64encode(b'{"expiration":"2025-12-30T12:00:00.000Z","conditions":[]}').decode()
PAIR = issue_pair(user_id="alice", sign_in_id="1", refresh_id="2")
TOKEN = PAIR.access
TICKET = str(Ticket("2~id", "images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg", "alice", 1))
PASSWORD = "correct horse battery staple"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

LEAKS = [
    (f"GET https://m.s3.amazonaws.com/a.png?X-Amz-Date=2&X-Amz-Signature={SIGNATURE}", SIGNATURE),
    (f"/media/a.png?X-Amz-Security-Token=IQoJb3JpZ2lu&X-Amz-Signature={SIGNATURE}", "IQoJb3JpZ2lu"),
    (str({"fields": {"policy": POLICY, "x-amz-signature": SIGNATURE}}), POLICY),
    (json.dumps({"fields": {"policy": POLICY, "x-amz-signature": SIGNATURE}}), SIGNATURE),
    (json.dumps(json.dumps({"password": PASSWORD})), PASSWORD),
    (str({"password": PASSWORD}), PASSWORD),
    (json.dumps({"old": PASSWORD, "new": PASSWORD + "!"}), PASSWORD),
    (str([("Authorization", f"Bearer {TOKEN}"), ("Accept", "*/*")]), TOKEN),
    (f"Authorization: Bearer {TOKEN}", TOKEN),
    (f"Authorization: Bearer opaque-{SIGNATURE[:20]}", SIGNATURE[:20]),
    ("Authorization: Basic YWxpY2U6c2VjcmV0", "YWxpY2U6c2VjcmV0"),
    (f"AWS4-HMAC-SHA256 Credential=AKIA/2, SignedHeaders=host, Signature={SIGNATURE}", SIGNATURE),
    (json.dumps({"access": TOKEN, "refresh": PAIR.refresh}), PAIR.refresh),
    (f"bad token {TOKEN!r}", TOKEN.rpartition(".")[2]),
    (f"Not Found: /uppy/s3/multipart/{TICKET}/1", TICKET[-43:]),
    ("grant=x&password=hunter2&next=/", "hunter2"),
    ("redis://:hunter2@10.0.0.1:6379/0 refused", "hunter2"),
    ("could not connect to postgres://alice:hunter2@db/app", "hunter2"),
    (f"aws_secret_access_key={AWS_SECRET}", AWS_SECRET),
    (str({"AWS_SECRET_ACCESS_KEY": AWS_SECRET}), AWS_SECRET),
]


@pytest.mark.parametrize(("text", "secret"), LEAKS, ids=range(len(LEAKS)))
def test_nothing_of_a_secrets_shape_survives(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Not Found: /users/me/",
        'media/images/posts/post_3L5fgCyhLwTX5LWfT7dhya.jpeg: NoSuchKey (etag "9b2cf535f27731c9")',
        "unavailable: BucketUnavailable: media: Connection refused",
        "sweep: 12 deleted, 3 due, oldest 2025-12-30T12:00:00Z",
        "GET /posts/?author=3L5fgCyhLwTX5LWfT7dhya&cursor=cD0y 200",
    ],
)
def test_what_operators_need_is_left_alone(text: str) -> None:
    assert redact(text) == text


@given(st.text(alphabet="?&='\":/@ eyJaX-Amz-passwordtokenbearer0123\\,<>", max_size=400))
def test_redaction_takes_any_text_and_is_final(text: str) -> None:
    redact(text)


def fail() -> None:
    raise RuntimeError(f"upload to /a?X-Amz-Signature={SIGNATURE} with {AWS_SECRET} failed")


@pytest.fixture
def logged() -> Iterator[logging.LogRecord]:
    try:
        fail()
    except RuntimeError:
        yield logging.LogRecord(
            "sign_s3", logging.ERROR, "a.py", 1, "no: %s", (TOKEN,), sys.exc_info()
        )


def test_a_line_is_json_and_its_traceback_is_redacted_too(logged: logging.LogRecord) -> None:
    line = JSONFormatter(secrets=[AWS_SECRET, None, ""]).format(logged)
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed.keys() == {"time", "level", "logger", "message", "exception"}
    assert (parsed["level"], parsed["logger"], parsed["message"]) == (
        "ERROR",
        "sign_s3",
        f"no: {REDACTED}",
    )
    assert "RuntimeError: upload to" in parsed["exception"]
    for secret in (SIGNATURE, AWS_SECRET, TOKEN):
        assert secret not in line


def test_a_message_cannot_forge_a_line() -> None:
    record = logging.LogRecord("a", logging.INFO, "a.py", 1, 'x"}\n{"level": "INFO"', (), None)
    assert JSONFormatter().format(record).count("\n") == 0


def test_every_secret_of_the_settings_is_known_to_the_logs() -> None:
    logging_settings: Any = settings.LOGGING
    secrets = logging_settings["formatters"]["json"]["secrets"]
    assert {settings.SECRET_KEY, settings.AWS_SECRET_ACCESS_KEY} <= set(secrets)


@pytest.mark.parametrize("name", ["botocore.auth", "boto3", "s3transfer", "urllib3.connectionpool"])
def test_what_prints_signatures_when_debugging_is_kept_quiet(name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_an_error_report_shows_no_input_no_credentials_and_no_secret_variable() -> None:
    request = RequestFactory().post(
        "/",
        {"password": PASSWORD, "caption": "holidays"},
        headers={"Authorization": f"Bearer {TOKEN}", "Cookie": "sessionid=abcdef"},
    )
    report = ReporterFilter()
    assert set(report.get_post_parameters(request).values()) == {report.cleansed_substitute}
    meta = report.get_safe_request_meta(request)
    assert meta["HTTP_AUTHORIZATION"] == meta["HTTP_COOKIE"] == report.cleansed_substitute

    def crashing(password: str, answer: object) -> FrameType:
        return sys._getframe()

    frame = crashing(PASSWORD, {"fields": {"x-amz-signature": SIGNATURE}})
    shown = dict(report.get_traceback_frame_variables(request, frame))
    assert shown["password"] == report.cleansed_substitute
    assert shown["answer"] == f"{{'fields': {{'x-amz-signature': \"{REDACTED}\"}}}}"


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "DATABASES", "REDIS_URL", "SECRETS", "LOGGING"]
)
def test_an_error_page_hides_the_settings_that_hold_secrets(name: str) -> None:
    assert ReporterFilter().get_safe_settings().get(name, "****") in ("*" * 20, "****")
