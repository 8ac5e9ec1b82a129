"""Connections from one request to the next, on a database file of their own."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import db
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from config import connections


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Ours in place of Django's receivers, for as long as the test lasts."""
    connections.keep_cheaply()
    yield
    connections.keep_as_django_does()


@pytest.fixture
def connection(tmp_path: Path, django_db_blocker: Any) -> Iterator[BaseDatabaseWrapper]:
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "db"),
        "CONN_MAX_AGE": 60,
    }
    made: Any = ConnectionHandler({"default": database})["default"]
    with django_db_blocker.unblock():
        made.connect()
        yield made
        made.close()
    connections._opened.here.remove(made)


@pytest.mark.parametrize("signal", ["request_started", "request_finished"])
def test_a_connection_past_its_age_is_closed_around_a_request(
    connection: BaseDatabaseWrapper, signal: str
) -> None:
    getattr(signals, signal).send(sender=WSGIHandler)
    assert connection.connection is not None
    connection.close_at = 0
    getattr(signals, signal).send(sender=WSGIHandler)
    assert connection.connection is None


def test_a_connection_that_was_opened_again_is_looked_after_once(
    connection: BaseDatabaseWrapper,
) -> None:
    connection.close()
    connection.connect()
    assert connections._opened.here.count(connection) == 1


def test_a_thread_looks_after_its_own_connections_alone(connection: BaseDatabaseWrapper) -> None:
    connection.close_at = 0
    thread = threading.Thread(target=signals.request_started.send, kwargs={"sender": WSGIHandler})
    thread.start()
    thread.join()
    assert connection.connection is not None


def test_django_looks_after_none_meanwhile() -> None:
    for signal in (signals.request_started, signals.request_finished):
        receivers, _ = signal._live_receivers(WSGIHandler)
        assert connections._close_old in receivers
        assert db.close_old_connections not in receivers
