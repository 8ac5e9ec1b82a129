"""``make run``: the service on this machine, with an S3, a database and a user to sign in as.

Needs nothing but its two virtual environments and keeps its state from one run to the next in
``var/``. ``DATABASE_URL`` and ``REDIS_URL`` of the environment are used; a .env is not, since it
may name what is in use elsewhere.
"""

import argparse
import fcntl
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from local import service
from local.probe import require_policies
from local.processes import Child, ProcessError, claim_port, run, wait_until
from local.s3 import EmbeddedS3
from local.session import session

EMAIL: Final = "demo@example.com"


class Stopped(Exception):
    """Somebody pressed Ctrl-C or asked the runner to end."""


class StopRequest:
    """Ctrl-C, SIGTERM or a closed terminal, noted and acted upon between two steps.

    Not raised out of the handler: that could be between a child's start and its being known here.
    """

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def check(self) -> None:
        if self.asked:
            raise Stopped


class Demo:
    """The processes of one run, ended in the reverse order of their start."""

    def __init__(self, *, var: Path, port: int, s3_port: int, stop: StopRequest) -> None:
        self.var = var
        self.photo = var / "photo.jpg"
        self.port = port
        self.stop = stop
        self.s3 = EmbeddedS3(state=var / "s3", port=s3_port)
        self.password = kept_secret(var / "demo-password", length=6)
        self.children: list[Child] = []

    def start(self) -> None:
        claim_port(self.port, variable="PORT")
        store = self.s3.start(tick=self.stop.check)
        database = os.environ.get("DATABASE_URL", f"sqlite:///{self.var}/db.sqlite3")
        env = service.environment(
            store,
            secret_key=kept_secret(self.var / "secret-key", length=32),
            overrides={"DATABASE_URL": database},
        )
        self._prepare(env)
        require_policies(store)
        workers = os.cpu_count() or 1
        web = service.serve(env, port=self.port, workers=workers, log=self._log("service"))
        self.children.append(web)
        self.children.append(service.sweep(env, log=self._log("sweep")))
        self._wait(lambda: service.healthy(self.port), web, patience=30)

    def watch(self) -> NoReturn:
        """End by exception: `Stopped`, or `ProcessError` when a part has ended."""
        while True:
            for child in (self.s3.child, *self.children):
                if child is not None and not child.running():
                    raise ProcessError(f"{child.name} ended:\n{child.tail()}")
            self.stop.check()
            time.sleep(0.1)

    def end(self) -> None:
        while self.children:
            self.children.pop().stop()
        self.s3.stop()

    def welcome(self, *, took: float) -> str:
        base = f"http://127.0.0.1:{self.port}"
        rule = "─" * 79
        commands = session(base=base, email=EMAIL, password=self.password, photo=self.photo)
        return f"""\

The whole job in curl, to paste into another terminal (bash):
{rule}
{commands}{rule}

Sign S3 is up after {took:.1f} s; Ctrl-C stops it.

    {base}/docs/    the API
    {base}/admin/   what is stored

    email     {EMAIL}
    password  {self.password}

    S3        {self.s3.endpoint_url}
    logs      {self.var / "log"}/
"""

    def _prepare(self, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "local.prepare", "--photo", str(self.photo)]
        command += ["--user", EMAIL, self.password]
        for origin in service.origins(self.port):
            command += ["--origin", origin]
        run("the preparation", command, env=env, log=self._log("prepare"), tick=self.stop.check)

    def _log(self, name: str) -> Path:
        """An empty log: each run starts its own."""
        path = self.var / "log" / f"{name}.log"
        path.unlink(missing_ok=True)
        return path

    def _wait(self, ready: Callable[[], bool], child: Child, *, patience: float) -> None:
        wait_until(ready, child, patience=patience, tick=self.stop.check)


def kept_secret(path: Path, *, length: int) -> str:
    """A random text of `length` bytes, two characters each, made at the first run."""
    if not path.exists():
        # Made with its mode, so that nobody else can read it at any moment.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_hex(length))
    return path.read_text()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--s3-port", type=int, default=9000)
    parser.add_argument("--var", type=Path, default=service.BASE_DIR / "var")
    options = parser.parse_args()

    stop = StopRequest()
    var: Path = options.var
    var.mkdir(exist_ok=True)
    with (var / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return complain(f"`make run` is running here already, and two cannot share {var}")
        began = time.monotonic()
        demo = Demo(var=var, port=options.port, s3_port=options.s3_port, stop=stop)
        try:
            demo.start()
            print(demo.welcome(took=time.monotonic() - began), flush=True)
            demo.watch()
        except Stopped:
            print("\nStopping.", flush=True)
            return 0
        except ProcessError as exc:
            return complain(str(exc))
        finally:
            demo.end()


def complain(message: str) -> int:
    print(f"make run: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
