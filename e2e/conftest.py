"""Fixtures of real parts: an S3 that checks signatures, and the service on Granian beside it.

    s3_server     → Store         an S3 with both buckets; ``--s3=ceph`` makes it Ceph's radosgw
    s3            → S3Client      boto3 on it, the second opinion about what is stored
    live_service  → LiveService   the service on a free port, migrated, its sweep running
    client        → httpx.Client
    signer        → Signer        of the incoming bucket
    contents      → a function that reads what both buckets hold at the moment

The first three last for the session, and so are shared by its tests: use keys and users of your
own.
"""

import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import httpx
import pytest
from botocore.config import Config

from e2e.databases import own_database
from e2e.live import LiveService
from e2e.outcomes import Contents
from e2e.security.person import Person
from local import ceph, service
from local.outside import missing
from local.probe import require_policies
from local.processes import Child, free_port, run, wait_until
from local.s3 import MINISTACK, EmbeddedS3
from local.store import Store
from sign_s3.signing import Signer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# httpx logs whole URLs, signatures included, with every failure.
logging.getLogger("httpx").setLevel(logging.WARNING)

#: A web app whose pages upload.
APP_ORIGIN: Final = "https://app.example"
#: Limits are tested where they are counted; here they would stop the tests.
UNLIMITED = dict.fromkeys(
    (
        "RATE_SIGNED_KEYS",
        "RATE_PARTS",
        "RATE_TOKEN_ADDRESS",
        "RATE_TOKEN_ACCOUNT",
        "RATE_SIGN_UP",
        "RATE_PASSWORD_RESET",
    ),
    "1000000/min",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share servers on one worker, so that those are started once."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path.parent.relative_to(here))))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the service's log with each test that failed against it."""
    report = yield
    live = getattr(item, "funcargs", {}).get("live_service")
    if report.failed and isinstance(live, LiveService):
        report.sections += [(f"log of {child.name}", child.tail(60)) for child in live.children]
    return report


@pytest.fixture(scope="session")
def s3_process(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> EmbeddedS3 | ceph.RadosGateway:
    """The S3 that ``--s3`` names, started and stopped by `s3_server`."""
    state = tmp_path_factory.mktemp("s3")
    if request.config.getoption("s3") == "ceph":
        if not ceph.installed():
            missing("ceph", "Ceph's radosgw is not installed")
        return ceph.RadosGateway(state / "ceph", free_port())
    if not MINISTACK.exists():
        missing("s3", "the embedded S3 is not installed: make .venv-s3")
    return EmbeddedS3(state, free_port())


@pytest.fixture(scope="session")
def s3_server(
    s3_process: EmbeddedS3 | ceph.RadosGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """An S3 that refuses forged forms, with the two buckets as `setup_buckets` makes them."""
    try:
        store = s3_process.start()
        run(
            "setup_buckets",
            [sys.executable, "manage.py", "setup_buckets", "--origin", APP_ORIGIN],
            env=service.environment(store, secret_key=os.environ["SECRET_KEY"]),
            log=tmp_path_factory.mktemp("setup") / "setup_buckets.log",
        )
        require_policies(store)
        yield store
    finally:
        s3_process.stop()


@pytest.fixture(scope="session")
def s3(s3_server: Store) -> Iterator["S3Client"]:
    """boto3 on the session's S3."""
    client = boto3.client(
        "s3",
        aws_access_key_id=s3_server.access_key,
        aws_secret_access_key=s3_server.secret_key,
        region_name=s3_server.region,
        endpoint_url=s3_server.endpoint_url,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def live_service(
    s3_server: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveService]:
    """The real thing: Granian, a database of its own, the sweep; limits are out of the way."""
    state = tmp_path_factory.mktemp("live")
    port = free_port()
    children: list[Child] = []
    with own_database(state) as database_url:
        env = service.environment(
            s3_server,
            secret_key=os.environ["SECRET_KEY"],
            overrides={**UNLIMITED, "DATABASE_URL": database_url},
        )
        try:
            command = [sys.executable, "-m", "local.prepare"]
            # It configures the session's buckets once more, so it must not take the app's away.
            for origin in (APP_ORIGIN, *service.origins(port)):
                command += ["--origin", origin]
            run("the preparation", command, env=env, log=state / "prepare.log")
            web = service.serve(env, port=port, workers=1, log=state / "service.log")
            children.append(web)
            children.append(service.sweep(env, log=state / "sweep.log"))
            wait_until(lambda: service.healthy(port), web, patience=60)
            yield LiveService(f"http://127.0.0.1:{port}", s3_server, env, tuple(children))
        finally:
            for child in reversed(children):
                child.stop()


@pytest.fixture
def signer(s3_server: Store) -> Signer:
    """Signs for the incoming bucket."""
    return s3_server.signer(s3_server.incoming)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client that no proxy of the environment gets between."""
    with httpx.Client(trust_env=False) as http:
        yield http


@pytest.fixture
def contents(s3: "S3Client", s3_server: Store) -> Callable[[], Contents]:
    """What both buckets hold at the moment: keys with their ETags."""

    def read() -> Contents:
        return {
            bucket: {
                (item["Key"], item["ETag"])
                for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
                for item in page.get("Contents", [])
            }
            for bucket in (s3_server.incoming, s3_server.media)
        }

    return read


@pytest.fixture(scope="module")
def person(http: httpx.Client) -> Callable[[str], Person]:
    """Makes an account, signed in, at the service that the test's own `http` asks."""

    def make(nickname: str) -> Person:
        somebody = Person(http, nickname)
        somebody.sign_up()
        return somebody

    return make


@pytest.fixture(scope="module")
def alice(person: Callable[[str], Person]) -> Person:
    return person("alice")


@pytest.fixture(scope="module")
def bob(person: Callable[[str], Person]) -> Person:
    return person("bob")
