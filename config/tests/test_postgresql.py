"""A PostgreSQL that is slow, and one that says nothing at all."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.postgresql import base as postgresql
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from django.db.utils import ConnectionHandler
from psycopg import DataError
from psycopg.errors import ConnectionTimeout, DivisionByZero
from psycopg.postgres import types
from psycopg.pq import Format

from config.postgresql import base
from config.postgresql.base import DatabaseWrapper, Silence
from config.postgresql.bounds import limit_statements
from config.postgresql.times import UTCLoader

TIMESTAMPTZ = types["timestamptz"].oid


class Relay:
    """Between a client and a server; while it is stalled, bytes are taken and none is passed on."""

    def __init__(self, upstream: tuple[str, int] | None) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.stalled = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            if self._upstream is None:
                continue
            server = socket.create_connection(self._upstream)
            self._open.append(server)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.stalled.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # a close alone leaves threads in their recv()
            each.close()


@pytest.fixture
def silent() -> Iterator[Relay]:
    """A server that accepts connections and never says anything."""
    relay = Relay(None)
    yield relay
    relay.close()


def took(started: float) -> float:
    return time.monotonic() - started


def test_a_silent_server_is_waited_for_once_and_then_not_by_everybody(silent: Relay) -> None:
    chosen = {
        "ENGINE": "config.postgresql",
        "NAME": "app",
        "HOST": "127.0.0.1",
        "PORT": silent.port,
        "OPTIONS": {"connect_timeout": 2},
    }
    wrapper = DatabaseWrapper(ConnectionHandler({"default": chosen}).databases["default"], "silent")
    started = time.monotonic()
    with pytest.raises(ConnectionTimeout, match="timeout expired"):
        wrapper.connect()
    assert 1 < took(started) < 4
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(ConnectionTimeout, match="did not answer a moment ago"):
            wrapper.connect()
    assert took(started) < 0.5


def test_after_a_rest_one_tries_again_while_the_others_are_refused() -> None:
    silence = Silence()
    silence.check("default", 3)
    silence.begins("default")
    silence._next_attempt["default"] = time.monotonic()
    silence.check("default", 3)
    with pytest.raises(ConnectionTimeout):
        silence.check("default", 3)
    silence.check("other", 3)
    silence.ends("default")
    silence.check("default", 3)


# ---------------------------------------------------------------- bounds


def test_bounds_are_for_postgresql_alone_and_what_the_url_says_wins() -> None:
    theirs = {"options": "-c statement_timeout=1s", "sslmode": "require"}
    databases: dict[str, dict[str, Any]] = {
        "default": {"ENGINE": "config.postgresql", "OPTIONS": theirs},
        "other": {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"timeout": 20}},
    }
    limit_statements(databases, seconds=10)
    assert databases == {
        "default": {
            "ENGINE": "config.postgresql",
            "OPTIONS": {
                "options": "-c statement_timeout=10000 -c lock_timeout=5000 "
                "-c idle_in_transaction_session_timeout=10000 -c statement_timeout=1s",
                "sslmode": "require",
            },
            "ANSWER_SECONDS": 12,
        },
        "other": {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"timeout": 20}},
    }


def test_zero_bounds_nothing() -> None:
    databases: dict[str, dict[str, Any]] = {"default": {"ENGINE": "config.postgresql"}}
    limit_statements(databases, seconds=0)
    assert databases == {"default": {"ENGINE": "config.postgresql"}}


@pytest.fixture
def relayed(db: None) -> Iterator[tuple[DatabaseWrapper, Relay]]:
    """A bounded connection to the tests' own PostgreSQL, by way of a relay."""
    chosen = connection.settings_dict
    relay = Relay((chosen["HOST"] or "127.0.0.1", int(chosen["PORT"] or 5432)))
    copy = {**chosen, "HOST": "127.0.0.1", "PORT": relay.port, "OPTIONS": {"connect_timeout": 2}}
    limit_statements({"default": copy}, seconds=0.5)
    copy["ANSWER_SECONDS"] = 1.0
    wrapper = DatabaseWrapper(copy, "relayed")
    yield wrapper, relay
    wrapper.close()
    relay.close()


@pytest.mark.postgres
def test_the_server_ends_a_slow_statement(relayed: tuple[DatabaseWrapper, Relay]) -> None:
    wrapper, _ = relayed
    with pytest.raises(OperationalError, match="statement timeout"), wrapper.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.postgres
def test_a_server_that_falls_silent_is_given_up(relayed: tuple[DatabaseWrapper, Relay]) -> None:
    wrapper, relay = relayed
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT 1")
    relay.stalled.set()
    started = time.monotonic()
    with pytest.raises(OperationalError), wrapper.cursor() as cursor:
        cursor.execute("SELECT 2")
    assert took(started) < 3
    assert not wrapper.is_usable()


# ---------------------------------------------------------------- is the connection usable?


@pytest.fixture
def asked(relayed: tuple[DatabaseWrapper, Relay], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What Django's own check found, an exchange with the server each; the first was just now."""
    found: list[bool] = []
    real = postgresql.DatabaseWrapper.is_usable

    def note(self: DatabaseWrapper) -> bool:
        found.append(real(self))
        return found[-1]

    monkeypatch.setattr(postgresql.DatabaseWrapper, "is_usable", note)
    relayed[0].ensure_connection()
    assert relayed[0].is_usable()
    assert found == [True]
    return found


@pytest.mark.postgres
def test_a_connection_that_answered_just_now_is_not_asked_again(
    relayed: tuple[DatabaseWrapper, Relay], asked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper, _ = relayed
    assert all(wrapper.is_usable() for _ in range(10))
    assert asked == [True]
    monkeypatch.setattr(base, "FRESH_SECONDS", 0.0)
    assert wrapper.is_usable()
    assert asked == [True, True]


@pytest.mark.postgres
def test_one_that_the_server_ended_is_seen_at_once(
    relayed: tuple[DatabaseWrapper, Relay], asked: list[bool]
) -> None:
    wrapper, _ = relayed
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [wrapper.connection.info.backend_pid])
    while base._is_silent(wrapper.connection.fileno()):
        time.sleep(0.01)
    assert not wrapper.is_usable()
    assert asked == [True, False]
    assert not wrapper.is_usable(), "a closed one is not looked at by its socket"


@pytest.mark.postgres
def test_one_left_in_a_failed_transaction_is_no_good(
    relayed: tuple[DatabaseWrapper, Relay], asked: list[bool]
) -> None:
    wrapper, _ = relayed
    wrapper.connection.execute("BEGIN")
    with pytest.raises(DivisionByZero):
        wrapper.connection.execute("SELECT 1 / 0")
    assert not wrapper.is_usable()
    assert asked == [True, False]


@pytest.mark.postgres
def test_one_that_failed_is_asked_in_any_case(
    relayed: tuple[DatabaseWrapper, Relay], asked: list[bool]
) -> None:
    wrapper, relay = relayed
    relay.stalled.set()
    wrapper.errors_occurred = True
    assert not wrapper.is_usable()
    assert asked == [True, False]


# ---------------------------------------------------------------- times

WRITTEN = [
    "2026-11-26 13:13:25.431979+00",
    "2026-11-26 13:13:25.4+00",
    "2026-11-26 23:59:59+00",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "2026-11-26 18:43:25+05:30",
    "1890-01-01 00:00:00-04:56:02",
]


@pytest.mark.postgres
@pytest.mark.parametrize("text", WRITTEN)
def test_times_are_read_as_django_reads_them(db: None, text: str) -> None:
    ours = UTCLoader(TIMESTAMPTZ, connection.connection).load(text.encode())
    theirs: Any = BaseTzLoader(TIMESTAMPTZ, connection.connection)
    theirs.timezone = UTC
    assert (ours, ours.tzinfo) == (theirs.load(text.encode()), UTC)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "text", ["infinity", "0044-03-15 00:00:00+00 BC", "12026-01-01 00:00:00+00"]
)
def test_times_that_python_has_not_are_errors_as_before(db: None, text: str) -> None:
    with pytest.raises(DataError):
        UTCLoader(TIMESTAMPTZ, connection.connection).load(text.encode())


@pytest.mark.postgres
def test_connections_read_times_so(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT '2026-11-26 14:00:00+01'::timestamptz")
        [found] = cursor.fetchone() or [None]
    loader = connection.connection.adapters.get_loader(TIMESTAMPTZ, Format.TEXT)
    assert (found, loader) == (datetime(2026, 11, 26, 13, tzinfo=UTC), UTCLoader)
