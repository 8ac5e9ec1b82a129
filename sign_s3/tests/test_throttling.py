import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from sign_s3.api.throttling import (
    SignedKeysThrottle,
    SignUpThrottle,
    TokenAccountThrottle,
    TokenAddressThrottle,
    WindowThrottle,
    client_address,
    limits,
)

Call = Callable[..., Response]


def configured(rates: Mapping[str, str], **others: Any) -> override_settings:
    return override_settings(
        REDIS_URL=None,
        REST_FRAMEWORK={
            **settings.REST_FRAMEWORK,
            "DEFAULT_THROTTLE_RATES": {
                **settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"],
                **rates,
            },
            **others,
        },
    )


class Caller:
    is_authenticated = True

    def __init__(self) -> None:
        self.pk = uuid.uuid4().hex


def call(
    *throttles: type[BaseThrottle], user: Caller | None = None, data: object = None, **meta: str
) -> Response:
    """What a view with these throttles answers to one POST."""

    class View(APIView):
        authentication_classes = ()
        permission_classes = ()
        throttle_classes = throttles

        def post(self, request: Request) -> Response:
            return Response({"done": True})

    request = APIRequestFactory().post("/", data or {}, **meta)
    force_authenticate(request, user=user)  # type: ignore[arg-type]
    response: Response = View.as_view()(request)
    return response


def test_a_thousand_signed_keys_in_a_minute_are_cut_off_at_the_limit() -> None:
    alice = Caller()
    with configured({"signed_keys": "300/day"}):
        statuses = [
            call(SignedKeysThrottle, user=alice, data={"number": 10}).status_code
            for _ in range(100)
        ]
    assert statuses == [200] * 30 + [429] * 70


def test_a_refusal_says_when_to_come_back() -> None:
    alice = Caller()
    with configured({"signed_keys": "10/min, 1000/day"}):
        call(SignedKeysThrottle, user=alice, data={"number": 8})
        response = call(SignedKeysThrottle, user=alice, data={"number": 3})
    seconds = int(response.headers["Retry-After"])
    assert 1 <= seconds <= 60
    assert response.status_code == 429
    assert response.data == {
        "type": "client_error",
        "errors": [
            {
                "code": "throttled",
                "detail": f"Request was throttled. Expected available in {seconds} "
                f"second{'s' if seconds != 1 else ''}.",
                "attr": None,
            }
        ],
    }


def test_every_answer_carries_the_limits_and_what_is_left() -> None:
    alice = Caller()
    with configured({"signed_keys": "10/hour, 1000/day"}):
        granted = call(SignedKeysThrottle, user=alice, data={"number": 8})
        refused = call(SignedKeysThrottle, user=alice, data={"number": 3})
    for response in (granted, refused):
        assert response.headers["RateLimit-Policy"] == '"hour";q=10;w=3600, "day";q=1000;w=86400'
        hour, day = response.headers["RateLimit"].split(", ")
        assert hour.startswith('"hour";r=2;t=')
        assert day.startswith('"day";r=992;t=')


@pytest.mark.parametrize("number", [0, 11, -5, 10**9, True, "3", 2.5, None, [], {}])
def test_a_number_that_is_none_costs_one(number: object) -> None:
    alice = Caller()
    with configured({"signed_keys": "1/day"}):
        answers = [call(SignedKeysThrottle, user=alice, data={"number": number}) for _ in "ab"]
    assert [answer.status_code for answer in answers] == [200, 429]


def test_users_have_limits_of_their_own() -> None:
    with configured({"signed_keys": "1/day"}):
        for user in (Caller(), Caller()):
            assert call(SignedKeysThrottle, user=user, data={"number": 1}).status_code == 200


def test_a_rotated_forwarded_for_evades_no_limit() -> None:
    with configured({"sign_up": "3/day"}, NUM_PROXIES=0):
        answers = [
            call(SignUpThrottle, REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}")
            for n in range(5)
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]


def test_an_account_is_limited_whatever_the_address_and_the_spelling() -> None:
    name = uuid.uuid4().hex
    emails = [f"{name}@example.com", f" {name.upper()}@Example.COM ", f"{name}@EXAMPLE.com"]
    with configured({"token_account": "2/day"}):
        answers = [
            call(TokenAccountThrottle, data={"email": email}, REMOTE_ADDR=f"203.0.113.{n}")
            for n, email in enumerate(emails)
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.parametrize("email", [None, 3, [], {}, True])
def test_an_account_that_is_no_text_is_left_to_validation(email: object) -> None:
    assert call(TokenAccountThrottle, data={"email": email}).status_code == 200


def test_who_is_refused_by_address_uses_up_no_account() -> None:
    attempt = {"email": f"{uuid.uuid4().hex}@example.com"}
    both = (TokenAddressThrottle, TokenAccountThrottle)
    with configured({"token_address": "2/day", "token_account": "3/day"}):
        mallory = [call(*both, data=attempt, REMOTE_ADDR="192.0.2.66") for _ in range(9)]
        victim = call(*both, data=attempt, REMOTE_ADDR="192.0.2.67")
    assert [answer.status_code for answer in mallory] == [200, 200] + [429] * 7
    assert victim.status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "address"),
    [
        (0, "1.1.1.1", "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 198.51.100.7", "10.0.0.1", "198.51.100.7"),
        (2, "1.1.1.1, 198.51.100.7, 10.0.0.2", "10.0.0.1", "198.51.100.7"),
        (2, "198.51.100.7", "10.0.0.1", "198.51.100.7"),
        (1, "", "10.0.0.1", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1", "10.0.0.1"),
        (1, "198.51.100.7:4711", "10.0.0.1", "198.51.100.7"),
        (1, "[2001:db8:1:2:3::9]:4711", "10.0.0.1", "2001:db8:1:2::/64"),
        (0, "", "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        (0, "", "2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        (0, "", "::ffff:203.0.113.9", "203.0.113.9"),
        (0, "", "203.0.113.9:55555", "203.0.113.9"),
        (0, "", "", ""),
    ],
)
def test_the_address_is_the_one_the_client_cannot_choose(
    proxies: int, forwarded: str, remote: str, address: str
) -> None:
    request = APIRequestFactory().get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    with configured({}, NUM_PROXIES=proxies):
        assert client_address(Request(request)) == address


@pytest.mark.parametrize("rate", ["300", "0/min", "-1/min", "300/minute", "300/min 5/day", ""])
def test_a_malformed_rate_names_its_scope(rate: str) -> None:
    with (
        configured({"signed_keys": rate}),
        pytest.raises(ImproperlyConfigured, match="signed_keys"),
    ):
        limits("signed_keys")


def test_a_scope_without_a_rate_is_refused() -> None:
    class Unknown(WindowThrottle):
        scope = "unknown"

    with pytest.raises(ImproperlyConfigured, match="unknown"):
        limits(Unknown.scope)
