"""The service as processes: its environment, its preparation, Granian and the sweep."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.processes import Child, spawn
from local.store import Store

BASE_DIR: Final = Path(__file__).resolve().parent.parent
STATIC_ROOT: Final = BASE_DIR / "var" / "static"
#: Requests of one worker that run at once: one for signing, which never waits, and a few more for
#: those that wait for S3 or the database.
BLOCKING_THREADS: Final = 4
SWEEP_SECONDS: Final = 2


def environment(
    store: Store, *, secret_key: str, overrides: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables of a service on the loopback interface that uses `store`.

    Taken from the caller's environment but for everything about AWS. A .env is not read: it may
    name a real bucket or a database that is in use.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **inherited,
        "SIGN_S3_ENV_FILE": os.devnull,
        "SECRET_KEY": secret_key,
        "DEBUG": "off",
        "HTTPS": "off",
        "TRANSACTION_GUARD": "raise",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "EMAIL_URL": "consolemail://",
        # A proxy of the environment has no business between two processes of one machine.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **store.environment(),
        **(overrides or {}),
    }


def origins(port: int) -> list[str]:
    """The web origins whose pages this service serves."""
    return [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]


def serve(env: Mapping[str, str], *, port: int, workers: int, log: Path) -> Child:
    """Granian, which serves the static files itself, without an access log."""
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(BLOCKING_THREADS)),
        *("--workers-kill-timeout", "2", "--respawn-failed-workers"),
        *("--static-path-route", "/static", "--static-path-mount", str(STATIC_ROOT)),
        "config.wsgi:application",
    ]
    return spawn("the service", command, env=env, log=log)


def sweep(env: Mapping[str, str], *, log: Path) -> Child:
    """The sweep, every `SWEEP_SECONDS`."""
    command = [sys.executable, "manage.py", "sweep", "--every", str(SWEEP_SECONDS)]
    return spawn("the sweep", command, env=env, log=log)


def healthy(port: int) -> bool:
    """Whether the service answers ``/healthz``."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
