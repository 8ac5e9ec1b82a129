"""The direct way through a POST answers as REST framework's own dispatch does, whatever is sent."""

import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from sign_s3.api.views import SignS3View

GOOD = {"mime": "image/png", "path": "images/users/profiles/profile_", "number": 1}
BODY = json.dumps(GOOD)
#: Of an answer that was signed, what differs each time.
RANDOM = {"key", "policy", "x-amz-signature", "x-amz-date"}


class Dispatched(SignS3View):
    """The same view on REST framework's way."""

    dispatch = APIView.dispatch


def answer(view: type[APIView], **said: Any) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON, less what is random."""
    said = {"method": "POST", "path": "/sign_s3/", "data": BODY, **said}
    said.setdefault("content_type", "application/json")
    user = said.pop("user", None)
    request = APIRequestFactory().generic(**said)
    if user is not None:
        force_authenticate(request, user=user)
    response: Any = view.as_view()(request)
    if hasattr(response, "render"):
        response.render()
    body = json.loads(response.content) if response.content else None
    for form in body if isinstance(body, list) else []:
        form["fields"] = {key: value for key, value in form["fields"].items() if key not in RANDOM}
    headers = {name: value for name, value in response.items() if name != "RateLimit"}
    return response.status_code, headers, body


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (201, {}),
        (201, {"content_type": "application/json; charset=utf-8"}),
        (201, {"headers": {"Accept": "text/html"}}),
        (400, {"data": ""}),
        (400, {"data": "", "content_type": "text/plain"}),
        (400, {"data": "[]"}),
        (400, {"data": "{"}),
        (400, {"data": "[" * 100}),
        (400, {"data": '{"number": 1e999}'}),
        (400, {"data": json.dumps({**GOOD, "number": 11})}),
        (400, {"data": json.dumps({**GOOD, "path": "nowhere"})}),
        (413, {"data": json.dumps({**GOOD, "more": "x" * 20_000})}),
        (415, {"content_type": "text/plain"}),
        (415, {"content_type": ""}),
        (415, {"data": "a=b", "content_type": "application/x-www-form-urlencoded"}),
        (405, {"method": "PUT"}),
        (405, {"method": "GET", "data": ""}),
    ],
)
def test_a_signed_in_caller_gets_the_same_answer_either_way(
    status: int, said: dict[str, Any]
) -> None:
    user = get_user_model()(pk="a" * 22)
    direct = answer(SignS3View, user=user, **said)
    assert direct[0] == status
    assert direct == answer(Dispatched, user=user, **said)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer "},
    ],
)
@pytest.mark.parametrize("data", [BODY, "[" * 100, ""])
def test_nobody_gets_the_same_401_either_way_whatever_the_body_is(
    headers: dict[str, str], data: str
) -> None:
    direct = answer(SignS3View, headers=headers, data=data)
    assert direct[0] == 401
    assert direct[1]["WWW-Authenticate"] == "Bearer"
    assert direct == answer(Dispatched, headers=headers, data=data)


def test_a_token_is_as_good_either_way(client_of: Callable[[Any], APIClient], alice: Any) -> None:
    headers = {"Authorization": client_of(alice).defaults["HTTP_AUTHORIZATION"]}
    direct = answer(SignS3View, headers=headers)
    assert direct[0] == 201
    assert direct == answer(Dispatched, headers=headers)


def test_what_no_handler_knows_is_raised_as_it_is(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.DEBUG = True

    class Broken(SignS3View):
        def post(self, request: Any) -> HttpResponse:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(Broken, user=get_user_model()(pk="a" * 22))


def test_a_request_leaves_nothing_to_the_garbage_collector() -> None:
    view, user = SignS3View.as_view(), get_user_model()(pk="a" * 22)

    def sign() -> None:
        request = APIRequestFactory().post("/sign_s3/", GOOD)
        force_authenticate(request, user=user)
        assert view(request).status_code == 201

    sign()
    gc.collect()
    gc.disable()
    try:
        sign()
        assert gc.collect() == 0
    finally:
        gc.enable()
