"""`make run` itself: it does the whole job, keeps its state, and leaves nothing behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.outside import missing
from local.processes import free_port, listening
from local.s3 import MINISTACK
from local.service import BASE_DIR

# These share no server with the rest, so another worker may have them.
pytestmark = pytest.mark.xdist_group("demo")


class Runner:
    """A started ``python -m local.run``, as a terminal would start it: in a group of its own."""

    def __init__(self, var: Path, **ports: int) -> None:
        self.var = var
        self.port = ports.get("port") or free_port()
        self.s3_port = ports.get("s3_port") or free_port()
        arguments = ["--port", str(self.port), "--s3-port", str(self.s3_port), "--var", str(var)]
        environment = {n: v for n, v in os.environ.items() if n != "DATABASE_URL"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.run", *arguments],
            cwd=BASE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def welcome(self) -> str:
        """What it prints until it is up."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("    logs"):
                return "".join(lines)
        pytest.fail(f"ended at its start:\n{''.join(lines)}")

    def ended(self) -> tuple[int, str]:
        """Its status and what it still printed."""
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output

    def interrupt(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended()[0]

    def left_behind(self) -> list[str]:
        """The command lines of processes that have this run's directory in their environment."""
        mark = str(self.var).encode()
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (directory / "environ").read_bytes():
                    found.append((directory / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def leaves_nothing(self) -> None:
        deadline = time.monotonic() + 15
        while (found := self.left_behind()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found == []
        assert not listening(self.port)
        assert not listening(self.s3_port)


@pytest.fixture
def var(tmp_path: Path) -> Path:
    if not MINISTACK.exists():
        missing("s3", "the embedded S3 is not installed: make .venv-s3")
    return tmp_path / "var"


@pytest.fixture
def runner(var: Path) -> Iterator[Runner]:
    started = Runner(var)
    yield started
    if started.process.poll() is None:
        started.interrupt()


def test_the_printed_session_does_the_whole_job(runner: Runner) -> None:
    if not shutil.which("curl"):
        missing("curl", "curl is not installed")
    welcome = runner.welcome()
    _, session, _ = re.split(r"^─+$", welcome, flags=re.MULTILINE)
    done = subprocess.run(
        ["bash", "-eu"], input=session, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if not line.startswith("{")] == [
        "upload: 204",
        "download: the same bytes",
        "delete: 204",
        "upload: 204",
        "post: 400",
        "rollback: 204",
    ]
    assert runner.interrupt() == 0
    runner.leaves_nothing()


def test_state_survives_a_restart(runner: Runner) -> None:
    first = re.findall(r"password +(\w+)", runner.welcome())
    key = (runner.var / "s3" / "signer.json").read_text()
    assert runner.interrupt() == 0

    again = Runner(runner.var)
    assert re.findall(r"password +(\w+)", again.welcome()) == first
    assert (runner.var / "s3" / "signer.json").read_text() == key
    assert again.interrupt() == 0


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_and_can_be_run_again(runner: Runner) -> None:
    runner.welcome()
    runner.process.kill()
    runner.ended()
    runner.leaves_nothing()

    again = Runner(runner.var)
    again.welcome()
    assert again.interrupt() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
@pytest.mark.slow
def test_it_ends_with_the_service_and_says_why(runner: Runner) -> None:
    runner.welcome()
    [granian] = [line for line in runner_processes(runner) if "granian" in line[1]][:1]
    os.kill(granian[0], signal.SIGKILL)
    status, output = runner.ended()
    assert status == 1
    assert "make run: the service ended" in output
    runner.leaves_nothing()


def runner_processes(runner: Runner) -> list[tuple[int, str]]:
    """The runner's own children, by number, with their command lines."""
    tasks = Path(f"/proc/{runner.process.pid}/task/{runner.process.pid}/children").read_text()
    return [
        (int(pid), Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        for pid in tasks.split()
    ]


def test_it_stops_while_it_is_starting(runner: Runner) -> None:
    deadline = time.monotonic() + 10
    while not listening(runner.s3_port) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(runner.process.pid, signal.SIGTERM)
    status, _ = runner.ended()
    assert status == 0
    runner.leaves_nothing()


@pytest.mark.parametrize(("name", "variable"), [("port", "PORT"), ("s3_port", "S3_PORT")])
def test_a_taken_port_is_one_clear_line(var: Path, name: str, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        status, output = Runner(var, **{name: number}).ended()
    assert status == 1
    assert output == (
        f"make run: port {number} is taken: "
        f"stop what uses it, or choose another with {variable}=…\n"
    )


@pytest.mark.slow
def test_a_second_run_is_refused(runner: Runner) -> None:
    runner.welcome()
    status, output = Runner(runner.var).ended()
    assert status == 1
    assert output.startswith("make run: `make run` is running here already")
