"""A database for a service under test: the kind that ``DATABASE_URL`` names, but its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


@contextmanager
def own_database(state: Path) -> Iterator[str]:
    """The URL of an empty database that lasts as long as the context.

    On PostgreSQL it is made beside the one of ``DATABASE_URL`` and named after the directory
    `state`; otherwise it is an SQLite file in there.
    """
    url = urlsplit(os.environ.get("DATABASE_URL", ""))
    if url.scheme not in {"postgres", "postgresql"}:
        yield f"sqlite:///{state}/db.sqlite3"
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"test_{url.path.strip('/')}_{state.name}_{worker}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    server = url._replace(scheme="postgresql", path="/postgres").geturl()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(drop)
        connection.execute(create)
        try:
            yield url._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(drop)
