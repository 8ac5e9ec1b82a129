"""Fixtures of this app's tests, and what the protocol's state machine has to report."""

from collections.abc import Iterator
from typing import Any

import pytest

from sign_s3.conf import conf
from sign_s3.tests.protocol.store import MemoryS3


@pytest.fixture
def memory_s3(settings: Any) -> Iterator[MemoryS3]:
    """Both buckets in memory, on an S3 that can be told to fail. A failed call is not sent again.

    Fast enough to be asked thousands of times, which moto is not.
    """
    settings.SIGN_S3 = {**settings.SIGN_S3, "max_attempts": 1, "max_waiting": 10}
    with MemoryS3(conf().incoming_bucket, conf().media_bucket).serving() as s3:
        yield s3


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "protocol":
                terminalreporter.write_line(f"protocol: {value}")
