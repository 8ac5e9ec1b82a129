"""Where the microseconds of ``POST /sign_s3/`` go, in process: CPU time, medians of many rounds.

    python -m bench.profile

The layers are told apart by leaving them out: Django around a view that does nothing, with and
without our middleware, and REST framework around one. What the view does is timed piece by piece,
and all of it without the garbage collector, whose share is what the whole takes more with it.
"""

import gc
import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from bench import over_http
from bench.report import Row, main, spread

ROUNDS, CALLS = 40, 200
BODY: Final = json.dumps({**over_http.WANTED, "number": 1}).encode()


def measure() -> list[Row]:
    os.environ |= over_http.environment(REDIS_URL="")
    import django  # noqa: PLC0415 - reads the environment that is set by now

    django.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    from config.wsgi import application  # noqa: PLC0415

    with override_settings(ROOT_URLCONF="bench.baselines.empty"):
        around = WSGIHandler()
    with override_settings(MIDDLEWARE=[]):
        bare = WSGIHandler()

    def through(handler: Any, path: str) -> Callable[[], object]:
        authorization = over_http.bearer()

        def call() -> object:
            answer = handler(_environ(path, authorization), _started)
            body = b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()
            return body

        return call

    ours = through(application, "/sign_s3/")
    pieces: dict[str, Callable[[], object]] = {"the whole request": ours, **_pieces()}
    empty: dict[str, Callable[[], object]] = {
        "Django alone": through(bare, "/plain/"),
        "with middleware": through(around, "/plain/"),
        "with REST framework": through(around, "/rest/"),
    }
    times: dict[str, list[float]] = {name: [] for name in ["collected", *pieces, *empty]}
    for _ in range(ROUNDS):
        gc.enable()
        times["collected"].append(_time(ours))
        gc.collect()
        gc.disable()
        for name, piece in pieces.items():
            times[name].append(_time(piece))
        with override_settings(ROOT_URLCONF="bench.baselines.empty"):
            for name, piece in empty.items():
                times[name].append(_time(piece))
    assert settings.ROOT_URLCONF == "config.urls"
    return _rows(times, [name for name in pieces if name != "the whole request"])


def _rows(times: dict[str, list[float]], parts: list[str]) -> list[Row]:
    def less(one: str, other: str) -> list[float]:
        return [a - b for a, b in zip(times[one], times[other], strict=True)]

    layers = {
        "Django: request, signals, URL, response": times["Django alone"],
        "middleware: host, https, CORS, headers": less("with middleware", "Django alone"),
        "REST framework's dispatch": less("with REST framework", "with middleware"),
        **{name: times[name] for name in parts},
    }
    sums = [sum(each) for each in zip(*layers.values(), strict=True)]
    whole = times["the whole request"]
    joints = "asking for user, rights, limits and body"
    layers[joints] = [all_ - part for all_, part in zip(whole, sums, strict=True)]
    layers["collecting garbage"] = less("collected", "the whole request")
    rows = []
    for name, values in {**layers, "the whole request": times["collected"]}.items():
        took = spread(values)
        rows.append(Row("profile", name, "in process", took.median, "µs", took.low, took.high))
    return rows


def _pieces() -> dict[str, Callable[[], object]]:
    from sign_s3.api.counting import counter  # noqa: PLC0415
    from sign_s3.api.parsers import parse_object  # noqa: PLC0415
    from sign_s3.api.renderers import JSONRenderer  # noqa: PLC0415
    from sign_s3.api.serializers import SigningSerializer  # noqa: PLC0415
    from sign_s3.api.throttling import limits  # noqa: PLC0415
    from sign_s3.services.issue import issue  # noqa: PLC0415
    from users.authentication import verify  # noqa: PLC0415

    token, body, owner = over_http.token(), json.loads(BODY), over_http.OWNER
    forms = [form._asdict() for form in issue(owner=owner, **body)]
    renderer = JSONRenderer()
    return {
        "the token, verified before": lambda: verify(token),
        "parsing the body": lambda: parse_object(BODY),
        "validating it": lambda: SigningSerializer.read(body),
        "charging two windows": lambda: counter().charge(owner, limits("signed_keys")[0], 1),
        "the key and its form": lambda: issue(owner=owner, **body),
        "rendering": lambda: renderer.render(forms),
    }


def _environ(path: str, authorization: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_AUTHORIZATION": authorization,
        "HTTP_X_FORWARDED_PROTO": "https",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
    }


def _started(status: str, headers: object) -> None:
    assert status.startswith("201"), status


def _time(call: Callable[[], object]) -> float:
    """Microseconds of CPU one call takes."""
    began = time.process_time()
    for _ in range(CALLS):
        call()
    return 1e6 * (time.process_time() - began) / CALLS


if __name__ == "__main__":
    sys.exit(main(measure))
