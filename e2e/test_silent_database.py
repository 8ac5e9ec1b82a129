"""The service on a PostgreSQL that accepts connections and never answers."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from local import service
from local.processes import free_port, wait_until
from local.store import Store
from sign_s3.keys import new_id
from users.tokens import issue_pair

FORM = {"mime": "image/png", "path": "images/users/profiles/profile_", "number": 1}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where one worker of the service listens. Its S3 is never asked."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        port = free_port()
        env = service.environment(
            Store("http://127.0.0.1:1", "eu-west-1", "AKIATESTTESTTESTTEST", "secret"),
            secret_key=os.environ["SECRET_KEY"],
            overrides={"DATABASE_URL": f"postgres://app@127.0.0.1:{silent.getsockname()[1]}/app"},
        )
        web = service.serve(env, port=port, workers=1, log=tmp_path / "service.log")
        try:
            wait_until(lambda: service.healthy(port), web, patience=60)
            yield f"http://127.0.0.1:{port}"
        finally:
            web.stop()


def test_requests_get_a_503_in_bounded_time_and_signing_goes_on(url: str) -> None:
    pair = issue_pair(user_id=new_id(), sign_in_id=new_id(), refresh_id=new_id())
    bearer = {"Authorization": f"Bearer {pair.access}"}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:

        def feed(_: int) -> httpx.Response:
            return client.get("/posts/")

        def sign() -> float:
            started = time.monotonic()
            assert client.post("/sign_s3/", json=FORM, headers=bearer).status_code == 201
            return time.monotonic() - started

        with ThreadPoolExecutor(20) as pool:
            started = time.monotonic()
            answers = pool.map(feed, range(40))
            signing = [sign() for _ in range(5)]
            for answer in answers:
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
                assert answer.json()["errors"][0]["code"] == "service_unavailable"
            assert time.monotonic() - started < 10
        # The first wait is for everybody who was there by then; after it nobody waits in turn.
        assert max(signing) < 5
