"""A pytest plugin: what tests need from outside, and what happens where it is not there.

A test marked ``postgres``, ``redis`` or ``browser``, and one that talks to an S3 (``s3``, or
``ceph`` with ``--s3=ceph``) or installs Uppy (``npm``), is skipped on a machine that lacks it, and
says so.
``REQUIRE=postgres,redis`` names what must not be lacking: there the same test fails, so a CI whose
Redis did not come up does not pass by skipping.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from typing import Final, NoReturn
from urllib.parse import urlsplit

import pytest
import redis

REQUIRED: Final = frozenset(filter(None, os.environ.get("REQUIRE", "").split(",")))
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Each of xdist's workers counts in a database of its own; tests may empty it.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and (url := os.environ.get("REDIS_URL")):
    os.environ["REDIS_URL"] = urlsplit(url)._replace(path=f"/{int(worker[2:]) + 1}").geturl()


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where `name` is required."""
    if name in REQUIRED:
        pytest.fail(f"{name} is required here: {reason}", pytrace=False)
    pytest.skip(reason)


def chromium() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _lacks_postgres() -> str | None:
    scheme = urlsplit(os.environ.get("DATABASE_URL", "")).scheme
    return None if scheme in {"postgres", "postgresql"} else "DATABASE_URL names no PostgreSQL"


def _lacks_redis() -> str | None:
    if not (url := os.environ.get("REDIS_URL")):
        return "no REDIS_URL"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as exc:
        return f"REDIS_URL does not answer: {exc}"
    return None


def _lacks_browser() -> str | None:
    return None if chromium() else "Chromium is not installed"


_LACKS: Final[Mapping[str, Callable[[], str | None]]] = {
    "postgres": _lacks_postgres,
    "redis": _lacks_redis,
    "browser": _lacks_browser,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--s3",
        choices=("embedded", "ceph"),
        default="embedded",
        help="the S3 that the tests of e2e/ talk to",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, lacks in _LACKS.items():
        if item.get_closest_marker(name) and (reason := lacks()):
            missing(name, reason)
