"""The service's database as somebody at its console sees it."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

#: Every column that refers to an object of the media bucket.
_REFERENCES: Final = (
    ("posts_postimage", "image"),
    ("posts_post", "video"),
    ("users_user", "profile_image"),
)
_POSTGRES_AGED: Final = "{column} = {column} - INTERVAL '1 second' * %s"
_SQLITE_AGED: Final = "{column} = STRFTIME('%Y-%m-%d %H:%M:%f', {column}, '-' || ? || ' seconds')"


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger says of a key."""

    state: str
    owner: str
    etag: str


class Ledger:
    """One connection of its own, for any thread; each statement is a transaction."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self.url = url
        self.is_postgres = not url.startswith("sqlite:")
        self._connection = self.connect()

    def connect(self) -> Any:
        """Another connection, in autocommit mode; yours to close."""
        if self.is_postgres:
            return psycopg.connect(self.url, autocommit=True)
        return sqlite3.connect(
            urlsplit(self.url).path, isolation_level=None, timeout=20, check_same_thread=False
        )

    def close(self) -> None:
        self._connection.close()

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """A statement, %s for each value; its rows, if it has any."""
        if not self.is_postgres:
            sql = sql.replace("%s", "?")
        with self._lock:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def rows(self, keys: Sequence[str] | None = None) -> dict[str, Row]:
        where, values = self._in(keys)
        found = self.run(
            f"SELECT key, state, owner, etag FROM sign_s3_mediaobject {where}", *values
        )
        return {key: Row(*row) for key, *row in found}

    def references(self, keys: Sequence[str] | None = None) -> list[str]:
        """The keys that records refer to, each as often as they do."""
        found: list[str] = []
        for table, column in _REFERENCES:
            where, values = self._in(keys, column)
            sql = f"SELECT {column} FROM {table} {where} AND {column} IS NOT NULL"
            found += [key for (key,) in self.run(sql, *values)]
        return found

    def age(self, seconds: int, keys: Sequence[str] | None = None) -> None:
        """As if so much time had gone by for leases and deletions."""
        where, values = self._in(keys)
        for column in ("lease_until", "due_at"):
            aged = (_POSTGRES_AGED if self.is_postgres else _SQLITE_AGED).format(column=column)
            sql = f"UPDATE sign_s3_mediaobject SET {aged} {where} AND {column} IS NOT NULL"
            self.run(sql, seconds, *values)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Whoever writes the ledger waits till this ends; on SQLite whoever writes at all."""
        connection = self.connect()
        try:
            if self.is_postgres:
                connection.execute("BEGIN")
                connection.execute("LOCK TABLE sign_s3_mediaobject IN EXCLUSIVE MODE")
            else:
                connection.execute("BEGIN IMMEDIATE")
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()

    @staticmethod
    def _in(keys: Sequence[str] | None, column: str = "key") -> tuple[str, Sequence[str]]:
        if keys is None:
            return "WHERE 1 = 1", ()
        return f"WHERE {column} IN ({', '.join(['%s'] * len(keys))})", keys
