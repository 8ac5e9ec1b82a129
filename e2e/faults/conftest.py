"""The rig, once for all these tests, and a phone for each."""

import dataclasses
import os
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from e2e.conftest import UNLIMITED
from e2e.databases import own_database
from e2e.faults.ledger import Ledger
from e2e.faults.phone import Phone
from e2e.faults.proxy import Proxy
from e2e.faults.rig import Rig
from local import service
from local.processes import free_port, run
from local.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the service's log with each test that failed against it."""
    report = yield
    rig = getattr(item, "funcargs", {}).get("rig")
    if report.failed and isinstance(rig, Rig) and rig.web is not None:
        report.sections.append((f"log of {rig.web.name}", rig.web.tail(40)))
    return report


@pytest.fixture(scope="session")
def rig(
    s3_server: Store, s3: "S3Client", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    """Without a sweep that runs by itself, and without a service until a test module starts it."""
    state = tmp_path_factory.mktemp("faults")
    store = dataclasses.replace(s3_server, incoming="faults-incoming", media="faults-media")
    with own_database(state) as database_url:
        proxy = Proxy(store.endpoint_url, free_port())
        env = service.environment(
            store,
            secret_key=os.environ["SECRET_KEY"],
            overrides={
                **UNLIMITED,
                "DJANGO_SETTINGS_MODULE": "e2e.faults.settings",
                "DATABASE_URL": database_url,
                "AWS_S3_ENDPOINT_URL": proxy.url,
                "AWS_S3_PUBLIC_ENDPOINT_URL": store.endpoint_url,
            },
        )
        command = [sys.executable, "-m", "local.prepare"]
        run("the preparation", command, env=env, log=state / "prepare.log")
        made = Rig(store, s3, proxy, Ledger(database_url), env, free_port(), state)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def phone(rig: Rig) -> Phone:
    """A client with an account of its own."""
    return rig.phone()
