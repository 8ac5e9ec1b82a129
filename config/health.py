"""/healthz and /readyz, for load balancers and people on call."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from http import HTTPStatus
from typing import Final

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from config.exceptions import refusal
from sign_s3.bucket import Bucket
from sign_s3.storage import incoming_bucket, media_bucket

log = logging.getLogger(__name__)

#: Seconds a readiness answer takes at most, and seconds a finding is used again.
DEADLINE: Final = 3.0
FRESH: Final = 2.0


def to_be_read(view: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """A view that GET and HEAD alone reach."""

    @csrf_exempt
    @functools.wraps(view)
    def read(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        answer = refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed")
        answer["Allow"] = "GET, HEAD"
        return answer

    return read


@to_be_read
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@to_be_read
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when everything this service leans on can be reached, else 503: each with its state."""
    states = _readiness.states(DEADLINE)
    ready = all(state == "ok" for state in states.values())
    answer = {"status": "ok" if ready else "unavailable", "checks": states}
    return JsonResponse(answer, status=200 if ready else 503)


def database() -> None:
    """Raises unless the database answers. Runs in a thread, whose connection it closes."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def require(bucket: Bucket) -> None:
    """Raises unless S3 answers that the bucket exists."""
    if not bucket.exists():
        raise LookupError(bucket.name)


def incoming() -> None:
    require(incoming_bucket())


def media() -> None:
    require(media_bucket())


class Readiness:
    """Runs probes in threads of their own, each once at a time, however many people ask.

    A probe that hangs holds one thread and is `unreachable` until it ends; it is not started again
    before. The state names no cause: whoever asks isn't known, and the log says it.
    """

    def __init__(self, probes: Mapping[str, Callable[[], None]]) -> None:
        self._probes = probes
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[float, Future[None]]] = {}
        self._threads = ThreadPoolExecutor(len(probes), thread_name_prefix="readyz")

    def states(self, deadline: float) -> dict[str, str]:
        """Each probe's name with "ok" or "unreachable", within `deadline` seconds."""
        end = time.monotonic() + deadline
        runs = {name: self._run(name) for name in self._probes}
        return {name: _state(run, end - time.monotonic()) for name, run in runs.items()}

    def _run(self, name: str) -> Future[None]:
        now = time.monotonic()
        with self._lock:
            started, run = self._runs.get(name, (0.0, None))
            if run is None or (run.done() and now - started > FRESH):
                run = self._threads.submit(self._probe, name)
                self._runs[name] = now, run
            return run

    def _probe(self, name: str) -> None:
        try:
            self._probes[name]()
        except Exception as exc:
            log.warning("not ready: %s: %s: %s", name, type(exc).__name__, exc)
            raise


def _state(run: Future[None], seconds: float) -> str:
    try:
        run.result(timeout=max(seconds, 0))
    except FutureTimeout:
        return "unreachable"
    except Exception:  # noqa: BLE001 - whatever it is, the answer is the same
        return "unreachable"
    return "ok"


_readiness = Readiness({"database": database, "incoming_bucket": incoming, "media_bucket": media})
