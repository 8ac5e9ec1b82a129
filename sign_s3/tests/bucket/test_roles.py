"""Credentials that end: those of a role, from a program that a profile names."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sign_s3 import bucket
from sign_s3.bucket import BucketUnavailable, connection
from sign_s3.signing import Credentials


@dataclass(frozen=True)
class Role:
    """The program, and how often it was run."""

    directory: Path

    def gives(self, lifetime: timedelta, *, after: float = 0) -> datetime:
        """Let it give out keys of this lifetime after so many seconds; their end."""
        end = datetime.now(UTC).replace(microsecond=0) + lifetime
        self._does(
            f"sleep {after}\n"
            'echo \'{"Version": 1, "AccessKeyId": "role", "SecretAccessKey": "secret", '
            f'"SessionToken": "token", "Expiration": "{end.isoformat()}"}}\'\n'
        )
        return end

    def fails(self) -> None:
        self._does("exit 1\n")

    @property
    def runs(self) -> int:
        return len((self.directory / "runs").read_text())

    def _does(self, commands: str) -> None:
        program = self.directory / "program"
        program.write_text(f"#!/bin/sh\nprintf . >> {self.directory}/runs\n{commands}")
        program.chmod(0o700)


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Role:
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {tmp_path}/program\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    bucket.init(region="eu-west-1")
    return Role(tmp_path)


def look_again() -> None:
    """Let the time until the next look at the credentials be over."""
    connection._connection._recheck_at = 0.0


def test_the_credentials_of_a_role_know_their_end(role: Role) -> None:
    end = role.gives(timedelta(hours=1))

    found = bucket.credentials()

    assert (found.access_key, found.token, found.expires_at) == ("role", "token", end)
    assert bucket.credentials() is found


def test_one_thread_renews_while_the_others_go_on(role: Role) -> None:
    role.gives(timedelta(minutes=5))
    old, runs = bucket.credentials(), role.runs
    end = role.gives(timedelta(hours=1), after=1)
    look_again()
    barrier = threading.Barrier(4)

    def timed(_: int) -> tuple[float, Credentials]:
        barrier.wait()
        started = time.monotonic()
        found = bucket.credentials()
        return time.monotonic() - started, found

    with ThreadPoolExecutor(4) as pool:
        *quick, slow = sorted(pool.map(timed, range(4)), key=lambda each: each[0])

    assert [found for _, found in quick] == [old] * 3
    assert quick[-1][0] < 0.5
    assert slow[1].expires_at == end
    assert role.runs == runs + 1


def test_threads_that_wait_for_the_first_credentials_share_them(role: Role) -> None:
    role.gives(timedelta(minutes=5), after=0.1)
    bucket.credentials()
    runs = role.runs
    bucket.init(region="eu-west-1")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: bucket.credentials(), range(4)))
    assert found == [found[0]] * 4
    assert role.runs == 2 * runs


def test_what_cannot_be_renewed_is_used_until_its_end(
    role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    role.gives(timedelta(minutes=5))
    found = bucket.credentials()
    role.fails()
    look_again()
    assert bucket.credentials() is found
    assert "credentials could not be renewed; the old ones go on: " in caplog.messages[-1]
    runs = role.runs
    assert bucket.credentials() is found
    assert role.runs == runs

    connection._connection._credentials = replace(found, expires_at=datetime.now(UTC))
    look_again()
    with pytest.raises(BucketUnavailable, match="CredentialRetrievalError"):
        bucket.credentials()


def test_what_ended_before_it_came_is_nothing_to_sign_with(role: Role) -> None:
    role.gives(timedelta(minutes=-5))
    with pytest.raises(BucketUnavailable, match="still expired"):
        bucket.credentials()
