"""Django's backend for a server that may fall silent, with its connections still open.

Each attempt to connect to a server that accepts and then says nothing takes ``connect_timeout``.
If every request made one, they would take all threads of a worker in turn, and signing, which needs
no database, would wait with them. So one thread at a time finds out whether the server is back.
"""

import select
import threading
import time
from datetime import UTC
from typing import Any, Final

from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus

from config.postgresql.times import UTCLoader

#: Seconds after an attempt that timed out in which nobody tries again.
REST_SECONDS: Final = 2.0
#: Seconds for which a connection that answered is taken to work, if nothing has come from it since.
FRESH_SECONDS: Final = 1.0


class ImpatientConnection(Connection[Any]):
    """Gives a server up that does not answer.

    TCP's own timeouts see a host that vanished, and the server's see a statement that is slow; this
    sees a server that hangs and whose kernel still acknowledges.
    """

    answer_seconds: float

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds)
        except OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer that came now would be taken for the next one's
            raise


class Silence:
    """Which databases did not answer of late, in this process. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_attempt: dict[str, float] = {}

    def check(self, alias: str, seconds: float) -> None:
        """Raise `ConnectionTimeout`, or reserve the next attempt, which takes so many seconds."""
        now = time.monotonic()
        with self._lock:
            if alias not in self._next_attempt:
                return
            if now < self._next_attempt[alias]:
                raise ConnectionTimeout("the server did not answer a moment ago")
            self._next_attempt[alias] = now + seconds + REST_SECONDS

    def begins(self, alias: str) -> None:
        """It did not answer."""
        with self._lock:
            self._next_attempt[alias] = time.monotonic() + REST_SECONDS

    def ends(self, alias: str) -> None:
        """It answered, if only to refuse."""
        with self._lock:
            self._next_attempt.pop(alias, None)


_silence: Final = Silence()


class DatabaseWrapper(base.DatabaseWrapper):
    """Reads ANSWER_SECONDS from the database's settings besides what Django reads."""

    _answered_at = float("-inf")

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        _silence.check(self.alias, float(conn_params.get("connect_timeout", 0)))
        try:
            connection: Connection[Any] = super().get_new_connection(conn_params)
        except ConnectionTimeout:
            _silence.begins(self.alias)
            raise
        except Exception:
            _silence.ends(self.alias)
            raise
        _silence.ends(self.alias)
        if self.timezone is UTC:
            connection.adapters.register_loader("timestamptz", UTCLoader)
        if seconds := self.settings_dict.get("ANSWER_SECONDS"):
            # Django has no setting for the class it connects with.
            connection.__class__ = ImpatientConnection
            connection.answer_seconds = seconds  # type: ignore[attr-defined]
        return connection

    def is_usable(self) -> bool:
        """Whether the connection works, which Django asks before each request's first statement.

        That would be an exchange a request. A server that ends a connection says so, and what it
        said waits at the socket to be read; so one that answered a moment ago and has said nothing
        since is not asked again. If its host vanished in that moment, one statement fails.
        """
        now = time.monotonic()
        if (
            not self.errors_occurred
            and self.connection is not None
            and self.connection.pgconn.transaction_status == TransactionStatus.IDLE
            and now - self._answered_at < FRESH_SECONDS
            and _is_silent(self.connection.fileno())
        ):
            return True
        usable: bool = super().is_usable()
        self._answered_at = now if usable else float("-inf")
        return usable


def _is_silent(socket: int) -> bool:
    """Whether there is nothing to be read, not even the connection's end."""
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return not waiting.poll(0)
