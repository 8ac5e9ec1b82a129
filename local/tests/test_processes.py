import os
import socket
import sys
import time
from pathlib import Path

import pytest

from local.processes import ProcessError, claim_port, free_port, listening, run, spawn, wait_until

ENV = dict(os.environ)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_free_port_can_be_claimed() -> None:
    claim_port(free_port(), variable="PORT")


def test_a_taken_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProcessError, match=rf"^port {port} is taken: .* with PORT=…$"):
            claim_port(port, variable="PORT")


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"(?s)the job failed:.*no such thing"):
        run("the job", python("exit('no such thing')"), env=ENV, log=tmp_path / "log")


def test_a_child_that_ends_at_its_start_is_not_waited_for(tmp_path: Path) -> None:
    child = spawn("the job", python("exit('no room')"), env=ENV, log=tmp_path / "log")
    with pytest.raises(ProcessError, match=r"(?s)the job ended at its start:.*no room"):
        wait_until(lambda: False, child, patience=30)
    child.stop()


def test_a_child_that_is_late_is_reported(tmp_path: Path) -> None:
    child = spawn("the job", python("import time; time.sleep(60)"), env=ENV, log=tmp_path / "log")
    with pytest.raises(ProcessError, match=r"the job was not ready in 0\.1 s"):
        wait_until(lambda: False, child, patience=0.1)
    child.stop()


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=1)"
    log = tmp_path / "log"
    child = spawn("the job", python(f"{deaf}; time.sleep(60)"), env=ENV, log=log)
    wait_until(lambda: "1" in log.read_text(), child, patience=30)
    child.stop(patience=0.1)
    assert not child.running()


def test_what_a_crashed_child_left_running_ends_with_its_group(tmp_path: Path) -> None:
    port = free_port()
    serving = (
        "import os, socket, time\n"
        f"server = socket.create_server(('127.0.0.1', {port}))\n"
        "if os.fork():\n"
        "    server.close()\n"
        "time.sleep(60)"
    )
    child = spawn("the job", python(serving), env=ENV, log=tmp_path / "log")
    wait_until(lambda: listening(port), child, patience=30)
    child.process.kill()
    child.process.wait()
    assert listening(port)

    child.stop()
    deadline = time.monotonic() + 5
    while listening(port) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not listening(port)
