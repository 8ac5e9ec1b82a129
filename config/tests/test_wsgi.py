"""What a WSGI server gets to see."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.db import connections
from django.test import RequestFactory

from config.connections import keep_as_django_does
from users.models import User

Application = Callable[..., Any]


@pytest.fixture
def application() -> Application:
    """Importing it bounds statements for the process, which is not for the tests after this one.

    Nor is looking after connections around each request, within a test's transaction.
    """
    options = connections.databases["default"].get("OPTIONS", {})
    before = dict(options)
    from config.wsgi import application  # noqa: PLC0415

    options.clear()
    options.update(before)
    keep_as_django_does()
    return application


def post(application: Application, address: str, body: dict[str, Any]) -> tuple[str, Any]:
    """The status and the body of an answer, before the server has closed it."""
    data = json.dumps(body).encode()
    environ = RequestFactory().post(address, data, content_type="application/json").environ
    environ["wsgi.input"] = io.BytesIO(data)
    statuses: list[str] = []
    answer = application(environ, lambda status, _: statuses.append(status))
    return statuses[0], answer


@pytest.mark.django_db(transaction=True)
def test_a_reset_mail_goes_out_only_after_the_server_has_the_answer(
    application: Application,
) -> None:
    User.objects.create_user(email="a@example.com", password="battery horse", nickname="Alice")

    status, answer = post(application, "/auth/password/reset/", {"email": "a@example.com"})

    assert (status, b"".join(answer)) == ("204 No Content", b"")
    assert mail.outbox == []
    answer.close()
    assert [message.to for message in mail.outbox] == [["a@example.com"]]


@pytest.mark.django_db(transaction=True)
def test_an_answer_with_nothing_to_do_afterwards_is_a_list(application: Application) -> None:
    status, answer = post(application, "/auth/password/reset/", {})
    assert status == "400 Bad Request"
    assert isinstance(answer, list)
    assert json.loads(b"".join(answer))["type"] == "validation_error"
