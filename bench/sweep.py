"""How fast the sweep deletes, over a store that answers at once, and how it finds what is due.

    python -m bench.sweep                     a million files in use, ten thousand due
    python -m bench.sweep --rows 10000000     PostgreSQL: its queries' plans at ten million rows

Every file is deleted twice (docs/design.md), here one right after the other, so a run of ten
thousand files sends twenty thousand deletions.
"""

import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from bench import database, stub_s3
from bench.report import BASE_DIR, Row

IN_USE: Final = 1_000_000
#: As many as a sweep deletes without asking a person, at most.
DUE: Final = 10_000
PLANS: Final = BASE_DIR / "docs" / "plans.md"


def measure_on(kind: str) -> list[Row]:
    database.choose(kind)
    from django.conf import settings  # noqa: PLC0415 - needs Django to be set up
    from django.test import override_settings  # noqa: PLC0415

    from sign_s3.services.sweep import sweep  # noqa: PLC0415

    stub_s3.install(lambda: "alice")
    fill(kind, in_use=IN_USE, due=DUE)
    with override_settings(SIGN_S3={**settings.SIGN_S3, "settle": timedelta(0)}):
        began, cpu = time.perf_counter(), time.process_time()
        done = sweep()
        took, used = time.perf_counter() - began, time.process_time() - cpu
    assert done.deleted == done.confirmed == DUE, done
    rate, each = 2 * DUE / took, 1e6 * used / (2 * DUE)
    task = f"deletions, {IN_USE:,} files in use"
    return [
        Row("sweep", task, kind, rate, "/s", rate, rate, target="≥ 5,000 /s", met=rate >= 5000),
        Row("sweep", "own CPU a deletion, boto3's included", kind, each, "µs", each, each),
    ]


_RECURSION: Final = """(WITH RECURSIVE counted(n) AS
    (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < %s) SELECT n FROM counted)"""
#: How each database counts and writes a number of 22 digits, and its clock.
_SQL: Final = {
    "postgresql": ("generate_series(1, %s) AS n", "lpad(n::text, 22, '0')", "now()"),
    "sqlite": (_RECURSION, "substr('0000000000000000000000' || n, -22)", "datetime('now')"),
}


def fill(kind: str, *, in_use: int, due: int) -> None:
    """The ledger of a service with so many files, some of which are to be deleted."""
    from django.db import connection  # noqa: PLC0415

    numbers, padded, now = _SQL[kind]
    for total, state, due_at, attached in (
        (in_use, "attached", "NULL", now),
        (due, "deleting", now, "NULL"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO sign_s3_mediaobject (key, owner, etag, content_type, size, state,"
                " attempts, deletes_sent, created_at, due_at, attached_at)"
                f" SELECT 'images/{state}/' || {padded} || '.jpeg', 'alice', '\"e\"',"
                f" 'image/jpeg', 1000000, '{state}', 0, 0, {now}, {due_at}, {attached}"
                f" FROM {numbers}",
                [total],
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


# ---------------------------------------------------------------- plans


def plans(rows: int) -> None:
    """Fill PostgreSQL and write how it answers each of the sweep's and of attach's questions."""
    database.choose("postgresql")
    from sign_s3.conf import conf  # noqa: PLC0415
    from sign_s3.models import MediaObject, State  # noqa: PLC0415

    fill("postgresql", in_use=rows - DUE, due=DUE)
    one_key = f"images/attached/{rows // 2:022}.jpeg"
    ledger = MediaObject.objects
    questions: dict[str, Callable[[], Any]] = {
        "A batch of due deletions": lambda: ledger.due(State.DELETING)[:1000],
        "Tombstones whose time is over": lambda: ledger.due(State.DELETED)[:1000],
        "Leases that ran out": lambda: ledger.expired(conf().lease_grace),
        "Whether so many stay in use": lambda: ledger.filter(state=State.ATTACHED)[:DUE],
        "The rows of one attach, by its token": lambda: ledger.holding(uuid.UUID(int=1)),
        "What the ledger knows of one key": lambda: ledger.filter(key=one_key),
    }
    lines = [
        f"# Plans at {rows:,} rows",
        "",
        f"The ledger with {rows:,} rows on PostgreSQL, {DUE:,} of them due for deletion. Each",
        "question by `EXPLAIN (ANALYZE)`, asked for the second time; written by",
        f"`python -m bench.sweep --rows {rows}`.",
    ]
    for title, question in questions.items():
        question().explain(analyze=True)  # once to have the pages at hand
        plan = question().explain(analyze=True)
        assert "Seq Scan" not in plan or "Limit" in plan, plan
        lines += ["", f"## {title}", "", "```", plan, "```"]
    PLANS.write_text("\n".join(lines) + "\n")
    print(PLANS.read_text())


if __name__ == "__main__":
    if "--rows" in sys.argv:
        plans(int(sys.argv[sys.argv.index("--rows") + 1]))
    else:
        sys.exit(database.main(measure_on))
