"""Clients that stop amid a request, without a proxy and behind the one of docs/security.md."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from e2e.live import LiveService
from local import service
from local.outside import missing
from local.processes import free_port, listening, spawn, wait_until

pytestmark = pytest.mark.slow

DOCUMENT: Final = service.BASE_DIR / "docs" / "security.md"
PROGRAM: Final = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
#: In front of the documented server: what nginx would otherwise keep elsewhere.
SURROUNDINGS: Final = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {server}
}}
"""
HEADERS: Final = (
    b"POST /auth/token/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 50\r\n\r\n"
)


@pytest.fixture(scope="module")
def proxied(live_service: LiveService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service behind nginx as documented, but for addresses, TLS and shorter waits."""
    if PROGRAM is None:
        missing("nginx", "nginx is not installed")
    found = re.search(r"^```nginx\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    server, port = found[1], free_port()
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port}",
        "http://127.0.0.1:8000": live_service.url,
        "client_body_timeout 10s": "client_body_timeout 6s",
    }.items():
        assert old in server
        server = server.replace(old, new)
    state: Path = tmp_path_factory.mktemp("nginx")
    state.joinpath("nginx.conf").write_text(SURROUNDINGS.format(server=server))
    # Its workers would otherwise be another user's, who may not enter this directory.
    command = [PROGRAM, "-p", str(state), "-c", "nginx.conf", "-g", "user root;"]
    child = spawn("nginx", command, env={}, log=state / "nginx.log")
    try:
        wait_until(lambda: listening(port), child, patience=20)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()


@contextmanager
def slow_clients(url: str, number: int) -> Iterator[list[socket.socket]]:
    """So many clients that send the first byte of a body and no more."""
    place = urlsplit(url)
    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = socket.create_connection((place.hostname or "", place.port or 0), timeout=10)
            clients.append(stack.enter_context(client))
            client.sendall(HEADERS + b"{")
        yield clients


def answers(url: str, *, within: float = 10.0) -> bool:
    """Whether somebody else is served in so many seconds."""
    try:
        answer = httpx.get(f"{url}/healthz", trust_env=False, timeout=within)
    except httpx.TimeoutException:
        return False
    return answer.status_code == 200


def test_without_a_proxy_each_holds_a_thread(live_service: LiveService) -> None:
    """Should Granian learn to end that wait, this says so."""
    with slow_clients(live_service.url, service.BLOCKING_THREADS - 1):
        assert answers(live_service.url)
    with slow_clients(live_service.url, service.BLOCKING_THREADS):
        assert not answers(live_service.url, within=1.0)
    assert answers(live_service.url)


def test_behind_the_documented_proxy_they_hold_nothing(
    live_service: LiveService, proxied: str
) -> None:
    with slow_clients(proxied, 10 * service.BLOCKING_THREADS) as clients:
        # Before it lets them go, as it does after six seconds.
        assert answers(proxied, within=4.0)
        assert answers(live_service.url, within=4.0)
        # It does so with 408 or without a word.
        assert clients[0].recv(1000)[:12] in {b"HTTP/1.1 408", b""}


def test_a_body_of_unknown_length_reaches_the_service_with_one(proxied: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"email": "nobody@example.com", '
        yield b'"password": "guess"}'

    answer = httpx.post(
        f"{proxied}/auth/token/",
        content=chunks(),
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 401
