"""``make audit`` with advisories within reach, and without: what the package index says then."""

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from local.audit import BASE_DIR

pytestmark = pytest.mark.slow

#: Releases of each project; those with a reason were withdrawn.
PROJECTS: Final[dict[str, dict[str, str | None]]] = {
    "fresh": {"1.0": None, "1.1": None},
    "stale": {"1.0": None, "1.1": None},
    "gone": {"1.0": "CVE-2026-0001", "1.1": None},
}


def wheel(name: str, version: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        info = f"{name}-{version}.dist-info"
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return data.getvalue()


ADVISORY: Final = {
    "id": "GHSA-jjg7-2v4v-x38h",
    "summary": "Decoding takes quadratic time",
    "published": "2024-04-11T21:32:40Z",
    "modified": "2024-04-11T21:32:40Z",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}],
        }
    ],
}


class _Index(BaseHTTPRequestHandler):
    """A package index (PEP 503) with yanked files (PEP 592), and a service of advisories (OSV)."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["package"]["name"] == "idna" and asked["version"] == "3.6"
        self._answer(json.dumps({"vulns": [ADVISORY]} if known else {}).encode(), "text/json")

    def do_GET(self) -> None:
        *_, name, file = self.path.split("/")
        if file:
            data, kind = wheel(*file.split("-")[:2]), "application/zip"
        else:
            links = ""
            for version, reason in PROJECTS[name].items():
                yanked = f' data-yanked="{reason}"' if reason else ""
                wheel_name = f"{name}-{version}-py3-none-any.whl"
                links += f'<a href="{wheel_name}"{yanked}>{wheel_name}</a>'
            data, kind = f"<!doctype html>{links}".encode(), "text/html"
        self._answer(data, kind)

    def _answer(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()
            thread.join()


def audit(lock: Path, index: str, require: str = "", **extra: str) -> tuple[int, str]:
    """The exit code and what was printed, with nothing but this index within reach."""
    nowhere = "http://127.0.0.1:9"
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "HTTPS_PROXY": nowhere,
        "https_proxy": nowhere,
        "NO_PROXY": "127.0.0.1",
        "REQUIRE": require,
        **extra,
    }
    done = subprocess.run(
        [sys.executable, "-m", "local.audit", str(lock)],
        cwd=BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.6", (1, "idna 3.6: GHSA-jjg7-2v4v-x38h, fixed in 3.7\n")),
        ("3.7", (0, "No known vulnerability in 2 packages.\n")),
    ],
)
def test_a_version_with_a_known_vulnerability_is_found(
    index: str, tmp_path: Path, version: str, expected: tuple[int, str]
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"fresh==1.1\nidna=={version}\n")
    osv = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": index}
    assert audit(lock, index, **osv) == expected


def test_one_package_that_was_not_looked_up_is_enough_for_no_audit(
    index: str, tmp_path: Path
) -> None:
    lock = tmp_path / "lock.txt"
    # pip-audit looks up no package that is given by address, and calls that a success.
    lock.write_text(f"fresh==1.1\nodd @ {index}odd/odd-1.0-py3-none-any.whl\n")
    osv = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": index}
    returned, said = audit(lock, index, "audit", **osv)
    assert said.startswith("NOT AUDITED: the advisories of 1 packages ")
    assert returned == 1


@pytest.mark.parametrize(("require", "code"), [("", 0), ("s3,audit", 1)])
def test_a_lock_that_nobody_could_audit_says_so_and_what_is_out_since(
    index: str, tmp_path: Path, require: str, code: int
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("fresh==1.1\nstale==1.0 ; python_version >= '3.11'\n")
    returned, said = audit(lock, index, require)
    first, second = said.splitlines()
    assert first.startswith("NOT AUDITED: the advisories of ")
    assert second == (
        "The index has 2 of them. Withdrawn by their makers: none. "
        "Not the newest there is: stale 1.0 (1.1)."
    )
    assert returned == code


def test_a_withdrawn_release_is_found_without_advisories(index: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("fresh==1.1\ngone==1.0\n")
    returned, said = audit(lock, index)
    assert "Withdrawn by their makers: gone 1.0. Not the newest there is: gone 1.0 (1.1)." in said
    assert returned == 1


def test_without_an_index_nothing_is_claimed(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("fresh==1.1\n")
    returned, said = audit(lock, "http://127.0.0.1:9/simple/")
    assert said.splitlines()[1:] == ["The package index could not be asked either."]
    assert returned == 0
