"""``manage.py sweep`` as an operator meets it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now

from conftest import Buckets
from sign_s3.bucket import BucketUnavailable, on_request
from sign_s3.keys import object_key
from sign_s3.models import MediaObject, State
from sign_s3.tests.app.factories import in_the_ledger

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(*arguments: str, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    call_command("sweep", *arguments, stdout=out)
    return out.getvalue()


def test_it_says_in_one_line_what_it_did(buckets: Buckets) -> None:
    in_the_ledger(state=State.DELETING)
    in_the_ledger(state=State.DELETING, deletes_sent=1)
    assert run() == "1 deleted, 1 confirmed\n"
    assert run() == "nothing to do\n"


def test_it_says_so_as_json_for_programs(buckets: Buckets) -> None:
    in_the_ledger(state=State.DELETING)
    assert json.loads(run("--json")) == {
        "expired": 0,
        "deleted": 1,
        "confirmed": 0,
        "kept": 0,
        "failed": 0,
        "purged": 0,
    }


def test_on_a_terminal_it_shows_progress(buckets: Buckets) -> None:
    in_the_ledger(state=State.DELETING)
    assert run(out=Terminal()) == "\r\x1b[K1 deleted\r\x1b[K1 deleted\n"


def test_a_dry_run_changes_nothing(buckets: Buckets) -> None:
    key = in_the_ledger(state=State.DELETING)
    assert run("--dry-run") == "due: 1 deleted\n"
    assert MediaObject.objects.get(key=key).attempts == 0


def test_deletes_that_fail_make_the_command_fail(buckets: Buckets) -> None:
    in_the_ledger(state=State.DELETING)

    def fail(_: str) -> None:
        raise BucketUnavailable("test-media", "no answer")

    undo = on_request(fail)
    try:
        with pytest.raises(CommandError, match=r"^1 deletes failed; they stay due$"):
            run()
    finally:
        undo()


def test_an_implausible_run_needs_force(buckets: Buckets) -> None:
    row = {"owner": "alice", "etag": "", "content_type": "image/png", "size": 1}
    MediaObject.objects.bulk_create(
        MediaObject(key=f"gallery/{number}", state=State.DELETING, due_at=Now(), **row)
        for number in range(10_001)
    )
    with pytest.raises(CommandError, match="run it once with --force"):
        run()
    assert run("--force") == "10001 deleted\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "soon"])
def test_every_takes_a_time(seconds: str) -> None:
    with pytest.raises(CommandError, match="--every"):
        run("--every", seconds)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_so_often_until_a_signal_asks_it_to_stop(
    number: signal.Signals, buckets: Buckets, caplog: pytest.LogCaptureFixture
) -> None:
    """The first run meets a dead S3, the second a living one; during that one the signal comes."""
    in_the_ledger(state=State.DELETING)
    calls: list[str] = []

    def fail_once_then_stop(operation: str) -> None:
        calls.append(operation)
        if len(calls) == 1:
            MediaObject.objects.update(due_at=Now() - timedelta(hours=1))
            raise BucketUnavailable("test-media", "no answer")
        os.kill(os.getpid(), number)

    undo = on_request(fail_once_then_stop)
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert run("--every", "0.01") == "1 failed\n1 deleted\n"
    finally:
        undo()
    assert calls == ["DeleteObjects", "DeleteObjects"]
    assert handlers == [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    assert caplog.messages[-1] == "sweep: 1 deletes failed; they stay due"


@pytest.mark.django_db(transaction=True)
def test_a_signal_ends_a_pause_at_once(buckets: Buckets) -> None:
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGTERM])
    timer.start()
    assert run("--every", "600") == ""
    timer.join()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_is_one_line_in_the_log(
    buckets: Buckets, caplog: pytest.LogCaptureFixture
) -> None:
    table = connection.ops.quote_name(MediaObject._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGTERM])
    timer.start()
    try:
        run("--every", "600")
    finally:
        timer.join()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")
    [line] = caplog.messages
    assert line.startswith(("sweep: OperationalError: ", "sweep: ProgrammingError: "))
    assert "\n" not in line


def test_a_failure_is_a_line_and_an_exit_code_without_a_stack_trace(tmp_path: Path) -> None:
    """In a process of its own, on a database without tables."""
    done = subprocess.run(
        [sys.executable, "manage.py", "sweep"],
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "CommandError: no such table: sign_s3_mediaobject\n"


def in_the_future(settings: LazySettings) -> None:
    """Everything an S3 in process holds is new, so age it by expiring what is a day ahead."""
    settings.SIGN_S3 = {**settings.SIGN_S3, "incoming_days": -1}


def incoming(buckets: Buckets) -> list[str]:
    uploads = [found.key for found in buckets.incoming.list_multiparts()]
    return [found.key for found in buckets.incoming.list()] + uploads


def test_new_uploads_stay(buckets: Buckets) -> None:
    buckets.incoming.put("media/a", "bytes")
    assert run("--incoming") == "expired: nothing to do\n"
    assert incoming(buckets) == ["media/a"]


def test_old_uploads_expire_and_nothing_else(buckets: Buckets, settings: LazySettings) -> None:
    in_the_future(settings)
    key = object_key(in_the_ledger())
    for name in (key, "media/a", "elsewhere"):
        buckets.incoming.put(name, "bytes")
        buckets.media.put(name, "bytes")
    buckets.incoming.create_multipart("media/b", "image/png", {})
    buckets.media.create_multipart("media/b", "image/png", {})

    assert run("--incoming", "--dry-run") == "due: 3 objects, 2 multiparts\n"
    assert len(incoming(buckets)) == 4
    assert run("--incoming") == "expired: 3 objects, 2 multiparts\n"
    assert incoming(buckets) == []
    assert len([*buckets.media.list()]) == 3
    assert [*buckets.media.list_multiparts()] == []


def test_old_uploads_expire_a_thousand_a_call(buckets: Buckets, settings: LazySettings) -> None:
    in_the_future(settings)
    for number in range(1_001):
        buckets.incoming.put(f"{number}", "")
    calls: list[str] = []
    undo = on_request(calls.append)
    assert run("--incoming") == "expired: 1001 objects\n"
    undo()
    assert calls.count("DeleteObjects") == 2


def test_expiring_uploads_without_s3_fails(buckets: Buckets) -> None:
    def fail(_: str) -> None:
        raise BucketUnavailable("test-incoming", "no answer")

    undo = on_request(fail)
    try:
        with pytest.raises(CommandError, match=r"^test-incoming: no answer$"):
            run("--incoming")
    finally:
        undo()
