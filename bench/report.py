"""Rows of results, the table they make, and what machine they are from."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent
#: Databases, logs and what npm installs.
VAR: Final = BASE_DIR / "var" / "bench"


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender did at one task.

    The spread is that of the runs' values. ``ratio`` says how much better ours was than this one,
    the median over the runs, since the contenders of one run had the same machine.
    """

    part: str
    task: str
    by: str
    value: float
    unit: str
    low: float
    high: float
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the middle nine tenths; all values, if there are too few for that."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    if len(values) < 20:
        return Spread(statistics.median(values), min(values), max(values))
    low, *_, high = statistics.quantiles(values, n=20)
    return Spread(statistics.median(values), low, high)


def number(value: float) -> str:
    """Three digits that say something; more before the point are all written."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| task | by | result | spread | ours is | target | |",
        "| --- | --- | ---: | --- | ---: | --- | --- |",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{number(row.ratio)} ×"
        verdict = {True: "met", False: "**missed**", None: ""}[row.met]
        result = f"{number(row.value)} {row.unit}".strip()
        between = f"{number(row.low)} to {number(row.high)}" if row.low != row.high else ""
        lines.append(
            f"| {row.task} | {row.by} | {result} | {between} | {ratio} | {row.target} | {verdict} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """What the numbers depend on, without saying whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def gathered(module: str, *options: str) -> list[Row]:
    """The rows that a part prints when it runs in a process of its own."""
    rows = VAR / f"{module}{''.join(options)}.json"
    rows.parent.mkdir(parents=True, exist_ok=True)
    rows.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, *options, "--json", str(rows)]
    subprocess.run(command, cwd=BASE_DIR, check=False)
    if not rows.exists():
        raise RuntimeError(f"{module} failed")
    return [Row(**row) for row in json.loads(rows.read_text())]


def finish(rows: Sequence[Row], target: Path | None) -> int:
    """Print the table, or write the rows for whoever gathers them; an exit status."""
    if target is None:
        print(table(rows))
    else:
        target.write_text(json.dumps([asdict(row) for row in rows]))
    return 1 if any(row.met is False for row in rows) else 0


def main(measure: Callable[[], list[Row]]) -> int:
    """Run one part from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = parser.parse_args()
    return finish(measure(), options.json)
