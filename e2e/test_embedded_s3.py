"""The embedded S3 across clean stops and crashes."""

import os
import signal
import stat
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from local.outside import missing
from local.probe import knows_key
from local.processes import free_port
from local.s3 import MINISTACK, EmbeddedS3
from local.store import Store

# These share no server with the rest, so another worker may have them.
pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedS3]:
    if not MINISTACK.exists():
        missing("s3", "the embedded S3 is not installed: make .venv-s3")
    made = EmbeddedS3(tmp_path / "s3", free_port())
    yield made
    made.stop()


def put(store: Store) -> None:
    client = boto3.client(
        "s3",
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
        endpoint_url=store.endpoint_url,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=store.media)
    client.put_object(Bucket=store.media, Key="kept", Body=b"kept")
    client.close()


def read(store: Store) -> bytes:
    url = store.signer(store.media).get("kept", now=int(time.time()), expires_in=60)
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
    return body


def test_a_clean_stop_keeps_the_key_and_the_objects(server: EmbeddedS3) -> None:
    first = server.start()
    put(first)
    server.stop()
    assert server.start() == first
    assert read(first) == b"kept"


def test_a_crash_costs_the_key_but_no_object(server: EmbeddedS3) -> None:
    first = server.start()
    put(first)
    assert server.child is not None
    os.kill(server.child.process.pid, signal.SIGKILL)
    server.stop()

    again = server.start()
    assert again.access_key != first.access_key
    assert not knows_key(first)
    assert read(again) == b"kept"


def test_nobody_else_can_read_the_key(server: EmbeddedS3) -> None:
    server.start()
    assert stat.S_IMODE((server.state / "signer.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.state.stat().st_mode) == 0o700
