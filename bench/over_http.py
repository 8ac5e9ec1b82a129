"""Signing over HTTP, one core a server: ours as in production, and what its users could pick.

    python -m bench.over_http

All servers run at once and take turns, so the idle ones only take memory. Before anything is
measured each one's form is checked: the same bucket, type, owner, size range and life for all, and
a signature that holds. With REDIS_URL ours is measured with its limits counted there as well.
"""

import json
import operator
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import local.test_environment
from bench.forms import Meaning, meaning
from bench.report import VAR, Row, main, spread
from bench.servers import Call, Load, Server, load, serving
from local.service import BLOCKING_THREADS, STATIC_ROOT

OWNER: Final = "3L5fgCyhLwTX5LWfT7dhya"
WANTED: Final = {"mime": "image/jpeg", "path": "images/users/profiles/profile_"}
#: What a guide to companion would have a page ask for.
COMPANION_QUERY: Final = f"filename=a.jpeg&type=image%2Fjpeg&metadata%5Buserid%5D={OWNER}"
COMPANION: Final = Path(__file__).parent / "baselines" / "companion"
ROUNDS: Final = 5
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
#: V8 compiles what is used often; companion gains a fifth in its first seconds.
WARM_SECONDS: Final = 15.0
FIRST_PORT: Final = int(os.environ.get("BENCH_PORT", "8100"))

GRANIAN: Final = [
    *("-m", "granian", "--interface", "wsgi", "--no-ws"),
    *("--workers", "1", "--blocking-threads", str(BLOCKING_THREADS)),
]


def environment(**more: str) -> dict[str, str]:
    """Production's: https by a proxy's header, CORS, and limits counted but never reached."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS": "on",
        "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
        "CORS_ALLOWED_ORIGINS": "https://app.example.com",
        "RATE_SIGNED_KEYS": "900000000/min, 900000000/day",
        "TRANSACTION_GUARD": "log",
        "DATABASE_URL": f"sqlite:///{VAR}/ours.sqlite3",
        "NODE_ENV": "production",
        **more,
    }


@dataclass(slots=True)
class Contender:
    """A server and the request to send it. ``call`` makes it anew: our tokens live five minutes."""

    name: str
    server: Server
    call: Callable[[], Call]
    forms: int = 1
    loads: list[Load] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        self.loads.append(load(self.server, self.call(), seconds=seconds))

    def per_second(self) -> list[float]:
        return [each.per_second for each in self.loads]


def token() -> str:
    """An access token as our service gives one for a sign-in."""
    from users.tokens import issue_pair  # noqa: PLC0415 - needs Django to be set up

    return issue_pair(user_id=OWNER, sign_in_id="s" * 22, refresh_id="r" * 22).access


def call_with(
    server: Server, authorization: Callable[[], str], number: int = 1, path: str = "/sign_s3/"
) -> Call:
    return Call(
        server.base + path,
        "POST",
        {
            "Authorization": authorization(),
            "Content-Type": "application/json",
            "X-Forwarded-Proto": "https",
        },
        json.dumps({**WANTED, "number": number}).encode(),
    )


def bearer() -> str:
    return f"Bearer {token()}"


# ---------------------------------------------------------------- the servers


def ours(
    port: int, *, python: str = sys.executable, **env: str
) -> tuple[str, list[str], int, dict[str, str]]:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    command = [
        python,
        *GRANIAN,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "config.wsgi:application",
    ]
    command += ["--static-path-route", "/static", "--static-path-mount", str(STATIC_ROOT)]
    return f"ours-{port}", command, port, environment(**env)


def npm_install() -> Path | None:
    """Companion in var/, or None where there is no npm to install it with."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    target = VAR / "companion"
    (target / "files").mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "server.js"):
        shutil.copy(COMPANION / name, target / name)
    if not (target / "node_modules" / "@uppy").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
        if subprocess.run(command, cwd=target, check=False).returncode:
            return None
    return target


@contextmanager
def contenders() -> Iterator[list[Contender]]:
    with ExitStack() as stack:

        def start(name: str, command: list[str], port: int, env: dict[str, str]) -> Server:
            return stack.enter_context(serving(name, command, port=port, env=env))

        port = FIRST_PORT
        server = start(*ours(port, REDIS_URL=""))
        found = [
            Contender("ours", server, lambda: call_with(server, bearer)),
            Contender("ours, number 10", server, lambda: call_with(server, bearer, 10), forms=10),
        ]
        if redis_url := os.environ.get("REDIS_URL"):
            limited = start(*ours(port + 1, REDIS_URL=redis_url))
            found.append(
                Contender("ours, limits on Redis", limited, lambda: call_with(limited, bearer))
            )

        database = str(VAR / "drf.sqlite3")
        env = environment(BASELINE_DATABASE=database)
        prepared = subprocess.run(
            [sys.executable, "-m", "bench.baselines.drf.prepare", OWNER],
            env=env,
            check=True,
            capture_output=True,
            text=True,
        )
        key = f"Token {prepared.stdout.strip()}"
        app = "bench.baselines.drf.wsgi:application"
        gunicorn = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "1"]
        gunicorn += ["--threads", str(BLOCKING_THREADS), "--bind", f"127.0.0.1:{port + 3}", app]
        for name, command, its_port in (
            (
                "Granian",
                [sys.executable, *GRANIAN, "--host", "127.0.0.1", "--port", str(port + 2), app],
                port + 2,
            ),
            ("gunicorn", gunicorn, port + 3),
        ):
            drf = start(f"drf-{name}", command, its_port, env)
            found.append(
                Contender(
                    f"DRF, database token, boto3, a row; {name}",
                    drf,
                    lambda drf=drf: call_with(drf, lambda: key),  # type: ignore[misc]
                )
            )

        uvicorn = [sys.executable, "-m", "uvicorn", "bench.baselines.fastapi_app:app"]
        uvicorn += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        uvicorn += ["--port", str(port + 4)]
        fastapi = start("fastapi", uvicorn, port + 4, environment())
        found += [
            Contender(
                f"FastAPI, the same token check, boto3; {how}",
                fastapi,
                lambda path=path: call_with(fastapi, bearer, path=path),  # type: ignore[misc]
            )
            for how, path in (("def", "/sign_s3/"), ("async def", "/sign_s3_in_the_loop/"))
        ]

        if (installed := npm_install()) is not None:
            env = environment(PORT=str(port + 5), COMPANION_FILES=str(installed / "files"))
            node = start("companion", ["node", str(installed / "server.js")], port + 5, env)
            call = Call(f"{node.base}/s3/params?{COMPANION_QUERY}")
            found.append(Contender("@uppy/companion, no authentication", node, lambda: call))
        else:
            print("no npm: @uppy/companion is left out", file=sys.stderr)
        yield found


# ---------------------------------------------------------------- the same work


def check(contender: Contender) -> Meaning:
    """What its form says, but for what companion alone adds."""
    status, body = contender.call().once()
    answer: Any = json.loads(body)
    forms = answer if isinstance(answer, list) else [answer]
    assert len(forms) == contender.forms, (contender.name, status, body)
    environ = local.test_environment.DEFAULTS
    said = meaning(
        forms[0],
        secret_key=environ["AWS_SECRET_ACCESS_KEY"],
        region=environ["AWS_S3_REGION_NAME"],
    )
    assert said.lives, contender.name
    assert said.holds, contender.name
    # It has S3 answer 201 with XML, and repeats the bucket among the fields.
    return replace(
        said.without("success_action_status"),
        fields=said.without("success_action_status", "bucket").fields,
    )


def same_work(found: list[Contender]) -> None:
    first, *others = [check(contender) for contender in found]
    for contender, said in zip(found[1:], others, strict=True):
        assert said == first, f"{contender.name} answers otherwise:\n{said}\n{first}"


# ---------------------------------------------------------------- measuring


def ratio(one: Contender, other: Contender) -> float:
    """How many times faster the one is, the median over the rounds."""
    times: list[float] = list(map(operator.truediv, one.per_second(), other.per_second()))
    return statistics.median(times)


def measure() -> list[Row]:
    import django  # noqa: PLC0415 - reads the environment that is set by now

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    VAR.mkdir(parents=True, exist_ok=True)
    with contenders() as found:
        same_work(found)
        for contender in found:
            node = contender.name.startswith("@uppy")
            load(contender.server, contender.call(), seconds=WARM_SECONDS if node else 2)
        for _ in range(ROUNDS):
            for contender in found:
                contender.measure(SECONDS)
                time.sleep(0.1)
    return [*throughput(found), *our_cpu(found)]


def throughput(found: list[Contender]) -> list[Row]:
    mine = found[0]
    at_least: dict[str, float] = {}
    for stack, least in {"DRF": 4.0, "FastAPI": 1.5, "@uppy": 3.0}.items():
        ways = [contender for contender in found if contender.name.startswith(stack)]
        if ways:  # the fastest way to run it is the one to compare with
            best = max(ways, key=lambda each: statistics.median(each.per_second()))
            at_least[best.name] = least
    rows = []
    for contender in found:
        measured = spread(contender.per_second())
        times = ratio(mine, contender)
        wanted = at_least.get(contender.name)
        target, met = (f"≥ {wanted:g} ×", times >= wanted) if wanted else ("", None)
        if contender.forms == 10:
            target, met = "≥ 60 % of number 1", 1 / times >= 0.6
        rows.append(
            Row(
                "signing over HTTP",
                "requests/s, one core",
                contender.name,
                measured.median,
                "/s",
                measured.low,
                measured.high,
                None if contender is mine else times,
                target,
                met,
            )
        )
    return rows


def our_cpu(found: list[Contender]) -> list[Row]:
    rows = []
    for contender in found:
        measured = spread([each.cpu_us for each in contender.loads])
        target, met = "", None
        if contender.name == "ours":
            target, met = "≤ 330 µs", measured.median <= 330
        rows.append(
            Row(
                "signing over HTTP",
                "own CPU a request",
                contender.name,
                measured.median,
                "µs",
                measured.low,
                measured.high,
                target=target,
                met=met,
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main(measure))
