"""For whatever request is accepted, its policy holds exactly what it must and nothing else (S6)."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.test import override_settings
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from sign_s3.destinations import Destination
from sign_s3.fields import catalogue
from sign_s3.keys import ALPHABET, ID_LENGTH

#: Ids of accounts are letters and digits; whatever else a caller's were, it stays one value.
OWNERS = st.text("abcXYZ019_-", min_size=1, max_size=64) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20
)
ACLS = st.sampled_from(["bucket-owner-full-control", "private", ""])
SESSIONS = st.none() | st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
HOSTILE = st.sampled_from(
    ['"},{"acl":"public-read', "${filename}", "../", "image/png\r\n", "\0", "%2e", "media/", "'"]
)
TEXTS = HOSTILE | st.text(max_size=30) | st.tuples(st.text(max_size=9), HOSTILE).map("".join)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Destination, dict[str, Any]]:
    """What one destination takes."""
    destination = draw(st.sampled_from([*catalogue().values()]))
    return destination, {
        "mime": draw(st.sampled_from([*destination.types])),
        "path": destination.prefix,
        "number": draw(st.integers(1, 10)),
    }


def client_of(owner: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(get_user_model()(pk=owner))
    return client


def no_limit(settings: Any) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "signed_keys": "100000000/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


@given(OWNERS, requests(), ACLS, SESSIONS)
@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_accepted_request_is_pinned_in_everything(
    settings: Any,
    owner: str,
    request_: tuple[Destination, dict[str, Any]],
    acl: str,
    session: str | None,
) -> None:
    no_limit(settings)
    destination, body = request_
    before = datetime.now(UTC).replace(microsecond=0)
    with override_settings(AWS_DEFAULT_ACL=acl, AWS_SESSION_TOKEN=session):
        answer = client_of(owner).post("/sign_s3/", body)

    assert answer.status_code == 201
    forms = answer.json()
    assert len(forms) == body["number"] == len({form["fields"]["key"] for form in forms})
    extension = destination.types[body["mime"]]
    path = "media/" + destination.expand(before.date())
    for form in forms:
        assert form.keys() == {"url", "fields"}
        fields = form["fields"]
        key = re.fullmatch(
            rf"{re.escape(path)}[{ALPHABET}]{{{ID_LENGTH}}}{re.escape(extension)}", fields["key"]
        )
        assert key is not None
        policy = json.loads(base64.b64decode(fields["policy"]))
        moment = datetime.strptime(fields["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        day = f"{moment:%Y%m%d}"
        expected = {
            "bucket": "test-incoming",
            "key": fields["key"],
            "Content-Type": body["mime"],
            "x-amz-meta-userid": owner,
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": f"AKIATESTTESTTESTTEST/{day}/eu-west-1/s3/aws4_request",
            "x-amz-date": fields["x-amz-date"],
            **({"acl": acl} if acl else {}),
            **({"x-amz-security-token": session} if session else {}),
        }
        ranges = [rule for rule in policy["conditions"] if isinstance(rule, list)]
        equals = [rule for rule in policy["conditions"] if isinstance(rule, dict)]
        assert ranges == [["content-length-range", destination.min_size, destination.max_size]]
        assert sorted(map(repr, equals)) == sorted(repr({n: v}) for n, v in expected.items())
        assert policy.keys() == {"expiration", "conditions"}
        ends = datetime.fromisoformat(policy["expiration"])
        assert timedelta() < ends - moment <= timedelta(seconds=300)
        assert before <= moment <= datetime.now(UTC)
        # What is sent is what is pinned; the bucket stands in the address.
        sent = {**fields, "bucket": "test-incoming"}
        assert sent.pop("policy")
        assert re.fullmatch("[0-9a-f]{64}", sent.pop("x-amz-signature"))
        assert sent == expected


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "mime": TEXTS | st.sampled_from(["image/png", "IMAGE/PNG", "text/html"]),
            "path": TEXTS | st.sampled_from([*catalogue()]),
            "number": st.integers() | st.floats() | st.booleans() | st.none() | TEXTS,
            "acl": TEXTS,
            "key": TEXTS,
        },
    )
)
@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_everything_else_is_a_400_on_what_is_wrong(settings: Any, body: dict[str, Any]) -> None:
    no_limit(settings)
    try:
        encoded = json.dumps(body, allow_nan=False).encode()
    except ValueError:
        assume(False)
        raise
    client: Any = client_of("alice")
    answer = client.generic("POST", "/sign_s3/", encoded, content_type="application/json")

    destination = catalogue().get(body.get("path", ""))
    number = body.get("number")
    good = (
        destination is not None
        and body.get("mime") in destination.types
        and type(number) is int
        and 1 <= number <= 10
    )
    if good:
        assert answer.status_code == 201
        return
    assert answer.status_code == 400, answer.content
    assert {error["attr"] for error in answer.json()["errors"]} <= {"mime", "path", "number", None}
