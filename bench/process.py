"""What a worker takes: its memory over a hundred thousand requests, and the time to start.

python -m bench.process
"""

import os
import subprocess
import sys
import time
import venv
from typing import Final

from bench import over_http
from bench.report import BASE_DIR, VAR, Row, main, spread
from bench.servers import Server, load, serving

#: What a worker's threads allocate settles over the first tens of thousands of requests.
WARM: Final = 30_000
REQUESTS: Final = 100_000
#: Seconds between two looks at a worker's memory.
STRETCH: Final = 3.0
STARTS: Final = 5


def measure() -> list[Row]:
    import django  # noqa: PLC0415 - for tokens

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    VAR.mkdir(parents=True, exist_ok=True)
    return [*memory(), *start()]


def service_python() -> str:
    """The Python of an environment with what the service needs and nothing else.

    What comes with tests and with the others here would be loaded by REST framework where it is
    installed, and counted.
    """
    place = VAR / "service"
    python = str(place / "bin" / "python")
    venv.create(place, with_pip=True)
    requirements = ["--quiet", "--requirement", str(BASE_DIR / "requirements.txt")]
    subprocess.run([python, "-m", "pip", "install", *requirements], check=True)
    return python


def memory() -> list[Row]:
    """A worker that signs, and one that counts on Redis, where there is one."""
    rows, python = [], service_python()
    kinds = {"limits in the worker": ""}
    if redis_url := os.environ.get("REDIS_URL"):
        kinds["limits on Redis"] = redis_url
    for place, (kind, url) in enumerate(kinds.items()):
        name, command, port, env = over_http.ours(
            over_http.FIRST_PORT + 10 + place, python=python, REDIS_URL=url
        )
        with serving(name, command, port=port, env=env) as server:
            rows += _memory_of(server, kind)
    return rows


def _memory_of(server: Server, kind: str) -> list[Row]:
    taken: list[dict[str, float]] = []
    answered = 0.0
    while answered < WARM + REQUESTS:
        call = over_http.call_with(server, over_http.bearer)
        answered += load(server, call, seconds=STRETCH).per_second * STRETCH
        if answered >= WARM:
            taken.append(server.worker_memory())
    first, last = taken[0], taken[-1]
    grown = 100 * (last["rss"] / first["rss"] - 1)
    pss = [each["pss"] for each in taken]
    rss = [each["rss"] for each in taken]
    return [
        Row(
            "process",
            "a worker's memory, shared pages shared out (PSS)",
            kind,
            last["pss"],
            "MB",
            min(pss),
            max(pss),
            target="≤ 90 MB",
            met=last["pss"] <= 90,
        ),
        Row(
            "process", "the same, all its pages (RSS)", kind, last["rss"], "MB", min(rss), max(rss)
        ),
        Row(
            "process",
            f"RSS grown by {REQUESTS:,} requests",
            kind,
            grown,
            "%",
            grown,
            grown,
            target="flat: < 3 %",
            met=grown < 3,
        ),
    ]


def start() -> list[Row]:
    """Wall time of ``manage.py check``, and from Granian's start to its first answer."""
    checks, answers = [], []
    env = over_http.environment()
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "manage.py", "check"],
            cwd=BASE_DIR,
            env=env,
            check=True,
            capture_output=True,
        )
        checks.append(time.perf_counter() - began)
        name, command, port, env = over_http.ours(over_http.FIRST_PORT + 12)
        began = time.perf_counter()
        with serving(name, command, port=port, env=env, pinned=False) as server:
            status, _ = over_http.call_with(server, over_http.bearer).once()
            answers.append(time.perf_counter() - began)
            assert status == 201
    rows = []
    for task, times in (("manage.py check", checks), ("Granian's start to a first 201", answers)):
        took = spread(times)
        rows.append(
            Row(
                "process",
                task,
                "wall",
                took.median,
                "s",
                took.low,
                took.high,
                target="≤ 1.5 s",
                met=took.median <= 1.5,
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main(measure))
