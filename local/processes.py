"""Child processes that do not outlive their parent, however it ends."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

POLL_SECONDS: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessError(Exception):
    """A process could not start or did not last; the message is for a person."""


def _end_with_parent() -> None:
    # Even a parent that is killed outright takes its children along: the kernel sends them SIGTERM
    # (man 2 PR_SET_PDEATHSIG). It follows the thread that spawned, so spawn from the main one.
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True)
class Child:
    """A running child, leader of a process group of its own.

    Its own group, because Ctrl-C reaches every process of the terminal's foreground group at once
    and the children have to end in order: the service before the store it writes to.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def running(self) -> bool:
        return self.process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The end of what it wrote."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, *, patience: float = 10.0) -> None:
        """Ask it to end, wait `patience` seconds, then insist; its whole group is gone after."""
        if self.running():
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        # A leader that crashed may have left workers behind; they are in its group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def spawn(name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> Child:
    """Start a child whose output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - nothing else runs in this process
        )
    return Child(name, process, log)


def run(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    tick: Callable[[], object] = bool,
) -> None:
    """Run a command to its end; `ProcessError`, with what it said last, unless it succeeded.

    `tick` is called while it runs, and ends it by raising.
    """
    child = spawn(name, command, env=env, log=log)
    try:
        while child.running():
            tick()
            time.sleep(POLL_SECONDS)
    finally:
        child.stop()
    if child.process.returncode != 0:
        raise ProcessError(f"{name} failed:\n{child.tail()}")


def wait_until(
    ready: Callable[[], bool],
    child: Child,
    *,
    patience: float,
    tick: Callable[[], object] = bool,
) -> None:
    """Wait up to `patience` seconds for `ready`; `ProcessError` if the child ends or is late."""
    deadline = time.monotonic() + patience
    while not ready():
        tick()
        if not child.running():
            raise ProcessError(f"{child.name} ended at its start:\n{child.tail()}")
        if time.monotonic() > deadline:
            raise ProcessError(f"{child.name} was not ready in {patience:g} s:\n{child.tail()}")
        time.sleep(POLL_SECONDS)


def listening(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def claim_port(port: int, *, variable: str) -> None:
    """`ProcessError`, naming the variable that moves it, when the port is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without this a port that was closed a moment ago counts as taken (TIME_WAIT).
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ProcessError(
                f"port {port} is taken: stop what uses it, or choose another with {variable}=…"
            ) from exc


def free_port() -> int:
    """A port of the loopback interface that nothing uses just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
