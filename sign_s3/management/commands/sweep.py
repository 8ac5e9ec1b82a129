"""``manage.py sweep``: delete what was released, once, every so often, or see what there is."""

import json
import logging
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseFailure
from django.db import close_old_connections

from sign_s3.bucket import BucketException
from sign_s3.management.signals import Stopping, stop_signals
from sign_s3.services import audit, incoming, sweep

logger = logging.getLogger(__name__)

_FAILURES: Final = (
    BucketException,
    DatabaseFailure,
    sweep.ImplausibleSweep,
    audit.ImplausibleAudit,
)


class Command(BaseCommand):
    """A line for each run that did something. One that failed exits with 1, or is logged in a line
    and tried again with ``--every``. SIGTERM ends it after the batch in hand.
    """

    help = "Delete released files from the media bucket, once or every so many seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--audit",
            action="store_true",
            help="instead, compare records, ledger and bucket, and release what nothing refers to",
        )
        what.add_argument(
            "--incoming",
            action="store_true",
            help="instead, expire unclaimed uploads and unfinished copies, for stores without "
            "lifecycle rules",
        )
        parser.add_argument("--every", type=_seconds, metavar="SECONDS", help="go on until stopped")
        parser.add_argument("--dry-run", action="store_true", help="show it and change nothing")
        parser.add_argument("--force", action="store_true", help="also when it is implausibly much")
        parser.add_argument("--json", action="store_true", help="print numbers as a JSON object")

    def handle(self, *, every: float | None, **options: Any) -> None:
        self._daemon = every is not None
        with stop_signals() as stopping:
            if every is None:
                self._once(options, stopping)
            else:
                while not stopping():
                    self._try(options, stopping)
                    stopping(within=every)

    def _once(self, options: dict[str, Any], stopping: Stopping) -> None:
        try:
            failure = self._run(options, stopping)
        except _FAILURES as exc:
            raise CommandError(_line(exc)) from exc
        if failure:
            raise CommandError(failure)

    def _try(self, options: dict[str, Any], stopping: Stopping) -> None:
        close_old_connections()
        try:
            failure = self._run(options, stopping)
        except _FAILURES as exc:
            failure = f"{type(exc).__name__}: {_line(exc)}"
        if failure:
            logger.error("sweep: %s", failure)

    def _run(self, options: dict[str, Any], stopping: Stopping) -> str:
        """Do it once and say what was done; what went wrong, or an empty text."""
        if options["audit"]:
            return self._audit(options)
        if options["incoming"]:
            return self._incoming(options)
        return self._sweep(options, stopping)

    def _sweep(self, options: dict[str, Any], stopping: Stopping) -> str:
        if options["dry_run"]:
            self._say(options, "due: ", asdict(sweep.due()))
            return ""
        done = sweep.sweep(
            force=options["force"],
            on_batch=lambda done: self._progress(_words(asdict(done))),
            stopping=stopping,
        )
        self._say(options, "", asdict(done))
        return f"{done.failed} deletes failed; they stay due" if done.failed else ""

    def _incoming(self, options: dict[str, Any]) -> str:
        done = incoming.expire_incoming(
            dry_run=options["dry_run"],
            on_batch=lambda done: self._progress(_words(asdict(done))),
        )
        self._say(options, "due: " if options["dry_run"] else "expired: ", asdict(done))
        return f"{done.failed} deletes failed" if done.failed else ""

    def _audit(self, options: dict[str, Any]) -> str:
        found = audit.audit(
            dry_run=options["dry_run"],
            force=options["force"],
            on_progress=lambda number: self._progress(f"{number} names compared"),
        )
        report = asdict(found)
        if options["json"]:
            self._print(json.dumps(report))
        else:
            self._print(_audit_text(report))
        return "" if found.clean else "the audit found something to look at"

    def _say(self, options: dict[str, Any], title: str, numbers: dict[str, int]) -> None:
        if not any(numbers.values()) and self._daemon:
            return
        if options["json"]:
            self._print(json.dumps(numbers))
        else:
            self._print(title + (_words(numbers) or "nothing to do"))

    def _print(self, text: str) -> None:
        self._progress("")
        self.stdout.write(text)
        self.stdout.flush()

    def _progress(self, text: str) -> None:
        """Show text in place of what was shown before, on a terminal only."""
        if self.stdout.isatty():
            self.stdout.write(f"\r\x1b[K{text}", ending="")
            self.stdout.flush()


def _words(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def _audit_text(report: dict[str, Any]) -> str:
    lines = []
    for name, found in report.items():
        if isinstance(found, dict):
            lines.append(f"{name}: {found['number']}")
            lines += [f"    {example}" for example in found["examples"]]
            if found["number"] > len(found["examples"]):
                lines.append("    …")
        elif isinstance(found, list):
            lines.append(f"{name} missing: {len(found)}")
            lines += [f"    {trigger}" for trigger in found]
        else:
            lines.append(f"{name}: {found}")
    return "\n".join(lines)


def _line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError(text)
    return seconds
