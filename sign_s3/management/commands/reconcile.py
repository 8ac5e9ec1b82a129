"""``manage.py reconcile``: make ledger and media bucket agree after one of them was restored."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseFailure

from sign_s3.bucket import BucketException
from sign_s3.services.compare import Kind, differences
from sign_s3.services.reconcile import adopt, delete_again


class Command(BaseCommand):
    """Deletes nothing. docs/backup.md says when to use which."""

    help = "Compare the ledger with the media bucket after a restore, and mend the ledger."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--list",
            choices=[kind.value for kind in Kind],
            help="print the objects' names, one a line, to recover or remove by other means",
        )
        what.add_argument(
            "--adopt",
            choices=["referenced", "all"],
            help="give unknown objects a row: those that a record refers to, or all of ours",
        )
        what.add_argument(
            "--delete-again",
            action="store_true",
            help="put objects that came back after their deletion up for deletion",
        )

    def handle(self, **options: Any) -> None:
        try:
            self._reconcile(options)
        except (BucketException, DatabaseFailure) as exc:
            raise CommandError(" ".join(str(exc).split())) from exc

    def _reconcile(self, options: dict[str, Any]) -> None:
        if kind := options["list"]:
            for name in _names(Kind(kind)):
                self.stdout.write(name)
        elif which := options["adopt"]:
            with _kept(_names(Kind.UNKNOWN)) as names:
                done = adopt(names, referenced_only=which == "referenced")
            self.stdout.write(f"{done.rows} adopted, {done.skipped} still unknown")
        elif options["delete_again"]:
            with _kept(_names(Kind.RETURNED)) as names:
                self.stdout.write(f"{delete_again(names)} up for deletion")
        else:
            found = Counter(difference.kind for difference in differences())
            for kind in Kind:
                self.stdout.write(f"{kind}: {found[kind]}")


def _names(kind: Kind) -> Iterator[str]:
    return (difference.name for difference in differences() if difference.kind == kind)


@contextmanager
def _kept(names: Iterable[str]) -> Iterator[Iterator[str]]:
    """The names read to their end, on disk: SQLite takes no writes while the ledger is read."""
    with tempfile.TemporaryFile("w+") as file:
        for name in names:
            file.write(json.dumps(name) + "\n")
        file.seek(0)
        yield map(json.loads, file)
