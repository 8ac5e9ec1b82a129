"""The service as it stands on the internet: with its limits, behind a proxy, its log at DEBUG."""

import dataclasses
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from e2e.databases import own_database
from e2e.live import LiveService
from local import service
from local.outside import chromium, missing
from local.processes import Child, free_port, run, wait_until
from local.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from playwright.sync_api import Browser, ConsoleMessage, Error, Page

#: Attempts at tokens cost a password's hash each, so the tests' limits are lower than usual.
LIMITS: Final = {
    "RATE_TOKEN_ADDRESS": "6/min",
    "RATE_TOKEN_ACCOUNT": "4/min",
    "RATE_PASSWORD_RESET": "3/min",
}
#: Of Chromium.
FLAGS: Final = (
    "--no-sandbox",  # Chromium's own cannot be made as root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


@dataclasses.dataclass(frozen=True)
class Guarded(LiveService):
    """And the origin of a page elsewhere that may use it, on a port nobody listens at yet."""

    page_port: int = 0
    logs: tuple[Path, ...] = ()

    @property
    def page_origin(self) -> str:
        return f"http://127.0.0.1:{self.page_port}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the service's log with each test that failed against it."""
    report = yield
    live = getattr(item, "funcargs", {}).get("guarded")
    if report.failed and isinstance(live, Guarded):
        report.sections += [(f"log of {child.name}", child.tail(40)) for child in live.children]
    return report


@pytest.fixture(scope="session")
def guarded(s3_server: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """On buckets of its own, so that what these tests find there is theirs."""
    state = tmp_path_factory.mktemp("security")
    store = dataclasses.replace(s3_server, incoming="security-incoming", media="security-media")
    port, page_port = free_port(), free_port()
    origins = [*service.origins(port), f"http://127.0.0.1:{page_port}"]
    children: list[Child] = []
    with own_database(state) as database_url:
        env = service.environment(
            store,
            secret_key=os.environ["SECRET_KEY"],
            overrides={
                **LIMITS,
                "DATABASE_URL": database_url,
                "NUM_PROXIES": "1",
                "LOG_LEVEL": "DEBUG",
                "CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{page_port}",
                "RATE_SIGN_UP": "1000000/min",
            },
        )
        try:
            command = [sys.executable, "-m", "local.prepare"]
            for origin in origins:
                command += ["--origin", origin]
            run("the preparation", command, env=env, log=state / "prepare.log")
            logs = state / "service.log", state / "sweep.log"
            web = service.serve(env, port=port, workers=1, log=logs[0])
            children.append(web)
            children.append(service.sweep(env, log=logs[1]))
            wait_until(lambda: service.healthy(port), web, patience=60)
            url = f"http://127.0.0.1:{port}"
            yield Guarded(url, store, env, tuple(children), page_port, logs)
        finally:
            for child in reversed(children):
                child.stop()


@pytest.fixture(scope="session")
def http(guarded: Guarded) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def stored(s3: "S3Client", guarded: Guarded) -> Callable[[str], set[str]]:
    """The buckets that hold an object of this key."""

    def buckets(key: str) -> set[str]:
        return {
            name
            for name in (guarded.store.incoming, guarded.store.media)
            if s3.list_objects_v2(Bucket=name, Prefix=f"media/{key}").get("Contents")
        }

    return buckets


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError:
        missing("browser", "Playwright is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console says against a page."""
    return []


@pytest.fixture
def page(browser: "Browser", complaints: list[str]) -> Iterator["Page"]:
    context = browser.new_context()
    opened = context.new_page()

    def hear(said: "ConsoleMessage") -> None:
        # Browsers ask every server for that picture by themselves.
        if said.type == "error" and not said.location["url"].endswith("/favicon.ico"):
            complaints.append(f"{said.location['url']}: {said.text}")

    def note(error: "Error") -> None:
        complaints.append(str(error))

    opened.on("console", hear)
    opened.on("pageerror", note)
    yield opened
    context.close()
