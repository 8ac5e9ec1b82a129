"""Empty databases to measure on: SQLite in var/, and PostgreSQL where BENCH_POSTGRES names one."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import local.test_environment  # noqa: F401 - the settings' environment
from bench.report import VAR, Row, finish, gathered

#: Like postgres://user@127.0.0.1/bench; what is in it is deleted.
POSTGRES: Final = os.environ.get("BENCH_POSTGRES", "")


def choose(kind: str) -> None:
    """Set Django up on an empty database, ``sqlite`` or ``postgresql``. Once in a process."""
    import django  # noqa: PLC0415 - reads the environment that is set here
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    VAR.mkdir(parents=True, exist_ok=True)
    path = VAR / "measured.sqlite3"
    if kind == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.environ["DATABASE_URL"] = POSTGRES if kind == "postgresql" else f"sqlite:///{path}"
    os.environ["TRANSACTION_GUARD"] = "log"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    if kind == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
    call_command("migrate", verbosity=0)
    # The next one is opened by the application, and kept as the application keeps it.
    connection.close()


def main(measure_on: Callable[[str], list[Row]]) -> int:
    """Run one part from the command line on every database there is, each in its own process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = parser.parse_args()
    if options.database:
        return finish(measure_on(options.database), options.json)
    module = sys.modules["__main__"].__spec__.name  # type: ignore[union-attr]
    kinds = ["sqlite", "postgresql"] if POSTGRES else ["sqlite"]
    rows = [row for kind in kinds for row in gathered(module, f"--database={kind}")]
    return finish(rows, options.json)


@contextmanager
def counted() -> Iterator[list[str]]:
    """The SQL that is sent meanwhile."""
    from django.db import connection  # noqa: PLC0415

    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent
