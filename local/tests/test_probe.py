import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.probe import knows_key, require_policies
from local.processes import ProcessError
from local.store import Store


@contextmanager
def answering(status: int) -> Iterator[Store]:
    """A store that answers everything with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *arguments: Any) -> None:
            """Keep the tests' output to themselves."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Store(f"http://127.0.0.1:{server.server_port}", "us-east-1", "key", "secret")
        finally:
            server.shutdown()
            thread.join()


def test_a_store_that_takes_a_forged_form_is_not_served_with() -> None:
    with answering(204) as store, pytest.raises(ProcessError, match="took a forged form"):
        require_policies(store)


def test_a_store_that_refuses_everything_proves_nothing() -> None:
    with answering(403) as store, pytest.raises(ProcessError, match="refused a good form with 403"):
        require_policies(store)


@pytest.mark.parametrize(("status", "known"), [(404, True), (200, True), (403, False)])
def test_a_key_is_known_unless_its_signature_is_refused(status: int, known: bool) -> None:
    with answering(status) as store:
        assert knows_key(store) is known
