"""The results as a picture: requests per second over HTTP, and microseconds in process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.report import Row, number

mpl.use("svg")
from matplotlib import pyplot as plt

OURS, OTHERS = "#1b6e53", "#b9b9b9"


def draw(rows: Sequence[Row], target: Path) -> None:
    """Bars with their spread, ours in colour, and how many times ours each is."""
    # The same file for the same numbers.
    plt.rcParams |= {"svg.hashsalt": "sign-s3", "svg.fonttype": "none", "font.size": 9}
    panels = {
        "One presigned POST over HTTP, one core: requests/s": [
            row for row in rows if row.task == "requests/s, one core"
        ],
        "One presigned POST in process: µs": [row for row in rows if row.task == "one form"],
        "One presigned GET in process: µs": [
            row for row in rows if row.task.startswith("a GET URL")
        ],
    }
    heights = [max(1, len(shown)) + 1 for shown in panels.values()]
    figure, axes = plt.subplots(
        len(panels), figsize=(9, 0.34 * sum(heights) + 0.8), height_ratios=heights
    )
    for axis, (title, shown) in zip(axes, panels.items(), strict=True):
        _bars(axis, title, shown)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: Any, title: str, rows: Sequence[Row]) -> None:
    names = [row.by if row.task != "a GET URL again" else "ours, again" for row in rows]
    below = [max(0.0, row.value - row.low) for row in rows]
    above = [max(0.0, row.high - row.value) for row in rows]
    colours = [OURS if row.by.startswith("ours") else OTHERS for row in rows]
    axis.barh(
        names,
        [row.value for row in rows],
        xerr=[below, above],
        color=colours,
        error_kw={"elinewidth": 0.8, "ecolor": "#555555"},
    )
    for place, row in enumerate(rows):
        ratio = f"   ours is {number(row.ratio)} ×" if row.ratio is not None else ""
        axis.text(row.high, place, f"  {number(row.value)}{ratio}", va="center")
    axis.invert_yaxis()
    axis.set_title(title, loc="left", fontweight="bold")
    axis.margins(x=0.25)
    axis.spines[["top", "right"]].set_visible(False)
