"""Servers on one core, what they use of it, and how fast they answer a load from another core."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.report import VAR
from local.processes import Child, listening, spawn, wait_until

#: Requests under way at once: enough that a server always has the next one at hand.
CONNECTIONS: Final = 16
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORE: Final = set(_CORES[:1])
#: With a single core the load has to share it, and only ratios mean anything.
CLIENT_CORES: Final = set(_CORES[1:] or _CORES)
#: What wrk prints at its end, for `_read`.
_DONE: Final = """
done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format('{"requests": %d, "seconds": %f, "failed": %d, "p50_us": %f}',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50)))
end
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, again and again."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def once(self) -> tuple[int, bytes]:
        """Status and body of one answer."""
        request = urllib.request.Request(
            self.url, data=self.body or None, headers=dict(self.headers), method=self.method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load. ``cpu_us`` is what the server itself used for one request."""

    per_second: float
    cpu_us: float
    p50_ms: float


class Server:
    """A server, its workers included, on the first core."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        env: Mapping[str, str],
        pinned: bool = True,
    ) -> None:
        log = VAR / "log" / f"{name}.log"
        log.unlink(missing_ok=True)
        self.base = f"http://127.0.0.1:{port}"
        self._child: Child = spawn(name, command, env=env, log=log)
        if SERVER_CORE and pinned:
            os.sched_setaffinity(self._child.process.pid, SERVER_CORE)
        wait_until(lambda: listening(port), self._child, patience=60)

    def stop(self) -> None:
        self._child.stop()

    def pids(self) -> list[int]:
        """The process and its descendants."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found = [self._child.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far (proc(5), utime and stime)."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def worker_memory(self) -> dict[str, float]:
        """The largest process's memory in MB: ``rss``, and ``pss`` with shared pages shared out."""
        largest: dict[str, float] = {"rss": 0.0, "pss": 0.0}
        for pid in self.pids():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            kib = dict(re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE))
            sizes = {name.lower(): int(size) * 1024 / 1e6 for name, size in kib.items()}
            largest = max(largest, sizes, key=lambda each: each["rss"])
        return largest


@contextmanager
def serving(
    name: str, command: Sequence[str], *, port: int, env: Mapping[str, str], pinned: bool = True
) -> Iterator[Server]:
    """A server that answers, and is gone afterwards."""
    server = Server(name, command, port=port, env=env, pinned=pinned)
    try:
        yield server
    finally:
        server.stop()


def load(server: Server, call: Call, *, seconds: float) -> Load:
    """Send `call` for so long, from other cores than the server's."""
    before = server.cpu_seconds()
    run = subprocess.run(
        _generator(call, seconds), check=True, capture_output=True, preexec_fn=_beside
    )
    used = server.cpu_seconds() - before
    result = json.loads(run.stdout[run.stdout.rindex(b"{") :])
    if result["failed"] or not result["requests"]:
        raise RuntimeError(f"{call.url}: {result}")
    return Load(
        result["requests"] / result["seconds"],
        1e6 * used / result["requests"],
        result["p50_us"] / 1e3,
    )


def generator() -> str:
    """Which load generator is used, for all alike."""
    return "wrk" if shutil.which("wrk") else "bench.hammer"


def _generator(call: Call, seconds: float) -> list[str]:
    if generator() != "wrk":
        parameters = [call.url, call.method, json.dumps(dict(call.headers)), call.body.decode()]
        amount = [str(seconds), str(CONNECTIONS)]
        return [sys.executable, "-m", "bench.hammer", *parameters, *amount]
    script = VAR / "wrk.lua"
    headers = "".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
        for name, value in call.headers.items()
    )
    script.write_text(
        f'wrk.method = "{call.method}"\n{headers}'
        + (f"wrk.body = [[{call.body.decode()}]]\n" if call.body else "")
        + _DONE
    )
    amount = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s"]
    return ["wrk", *amount, "--timeout", "20s", "-s", str(script), call.url]


def _beside() -> None:
    if CLIENT_CORES:
        os.sched_setaffinity(0, CLIENT_CORES)
