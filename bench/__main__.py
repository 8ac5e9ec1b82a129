"""``make bench``: every measurement of docs/performance.md, as a table and as a plot.

    python -m bench            all of it, in about ten minutes, into var/bench/
    python -m bench --docs     and into docs/, where the table and the plot are kept

BENCH_POSTGRES and REDIS_URL add PostgreSQL and Redis. Each part runs by itself too:
bench.signing, bench.over_http, bench.feed, bench.attach, bench.sweep, bench.process.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.plot import draw
from bench.report import BASE_DIR, VAR, Row, gathered, machine, table
from bench.servers import generator

PARTS: Final = {
    "bench.signing": "Signing in process",
    "bench.over_http": "Signing over HTTP",
    "bench.feed": "The feed",
    "bench.attach": "Attaching",
    "bench.sweep": "The sweep",
    "bench.process": "Memory and start",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--docs", action="store_true", help="keep the results in docs/")
    options = parser.parse_args()
    rows: dict[str, list[Row]] = {}
    for module, title in PARTS.items():
        print(f"\n{title} …", file=sys.stderr)
        rows[title] = gathered(module)
        print(table(rows[title]))
    profile = table(gathered("bench.profile"))
    print(profile)
    every = [row for part in rows.values() for row in part]
    target = BASE_DIR / "docs" if options.docs else VAR
    draw(every, target / "performance.svg")
    results = written(rows)
    (VAR / "results.md").write_text(f"{results}\n\n{profile}\n")
    if options.docs:
        keep(target / "performance.md", results=results, profile=profile)
    missed = [row for row in every if row.met is False]
    for row in missed:
        print(f"missed: {row.task}, {row.by}: {row.target}", file=sys.stderr)
    return 1 if missed else 0


def written(rows: Mapping[str, Sequence[Row]]) -> str:
    """The tables with what they depend on."""
    today = datetime.now(UTC).date()
    head = f"{machine()}; the load by {generator()}; {today}."
    parts = [f"### {title}\n\n{table(part)}" for title, part in rows.items()]
    return "\n\n".join([head, *parts])


def keep(document: Path, **tables: str) -> None:
    """Replace what stands in a document between ``<!-- name -->`` and ``<!-- end of name -->``."""
    text = document.read_text()
    for name, new in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{new}\n{end}{after}"
    document.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
