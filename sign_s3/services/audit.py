"""Audit: whatever the triggers, the services and the bucket should agree on and do not.

It looks for what TRUNCATE, disabled triggers, restored backups and other people's hands leave
behind. Attached rows that nothing refers to are released; everything else is only reported, objects
that no row knows above all (F11).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from django.db import router
from django.db.models import Exists, Model, OuterRef, QuerySet

from sign_s3 import triggers
from sign_s3.fields import UploadField, upload_fields
from sign_s3.models import MediaObject, MediaObjectQuerySet, State
from sign_s3.services.compare import BATCH, Kind, differences

M = TypeVar("M", bound=Model)

#: An audit that would release more files than this, and more than half of all, asks a person first.
IMPLAUSIBLE: Final = 1_000
EXAMPLES: Final = 10


class ImplausibleAudit(Exception):
    """So many files look unused that the records are more likely to be missing."""


@dataclass(slots=True)
class Finding:
    """How many, and the first few of them."""

    number: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.number += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class Audit:
    """What an audit found. Keys are without the media prefix, objects' names with it."""

    #: Attached keys no field refers to, and how many of them were put up for deletion.
    unreferenced: Finding = field(default_factory=Finding)
    released: int = 0
    #: References to keys that are not attached, as "app.Model.field of pk: key".
    dangling: Finding = field(default_factory=Finding)
    #: See `sign_s3.services.compare.Kind`.
    missing: Finding = field(default_factory=Finding)
    unknown: Finding = field(default_factory=Finding)
    returned: Finding = field(default_factory=Finding)
    #: Release triggers that are not in force, as "event of table.column".
    triggers: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is left for a person to look at."""
        reported = (self.dangling, self.missing, self.unknown, self.returned)
        unused = self.unreferenced.number - self.released
        return not (unused or self.triggers or any(found.number for found in reported))


def audit(
    *,
    dry_run: bool = False,
    force: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Audit:
    """Look at everything; release what nothing refers to unless ``dry_run``.

    ``on_progress`` is told how many names of the bucket and the ledger have been compared. Raises
    `ImplausibleAudit` before any release unless ``force``, and the bucket's exceptions.
    """
    found = Audit()
    found.triggers = [
        str(trigger) for trigger in triggers.missing(router.db_for_write(MediaObject))
    ]
    found.dangling = _dangling()
    found.unreferenced = _sample(_unreferenced(), lambda row: row.key)
    if not dry_run:
        if not force:
            _check_plausible(found.unreferenced.number)
        found.released = _release()
    kinds = {
        Kind.MISSING: found.missing,
        Kind.UNKNOWN: found.unknown,
        Kind.RETURNED: found.returned,
    }
    for difference in differences(on_progress):
        kinds[difference.kind].add(difference.name)
    return found


def _unreferenced() -> MediaObjectQuerySet:
    """Attached rows that no field refers to, as of one moment."""
    rows = MediaObject.objects.filter(state=State.ATTACHED)
    for upload_field in upload_fields():
        referring = _rows_of(upload_field).filter(**{upload_field.attname: OuterRef("key")})
        rows = rows.exclude(Exists(referring))
    return rows


def _dangling() -> Finding:
    found = Finding()
    for upload_field in upload_fields():
        name = upload_field.attname
        attached = MediaObject.objects.filter(state=State.ATTACHED, key=OuterRef(name))
        rows = _rows_of(upload_field).exclude(**{name: None}).exclude(Exists(attached))
        some = _sample(rows, f"{upload_field} of {{0.pk}}: {{0.{name}}}".format)
        found.number += some.number
        found.examples += some.examples[: EXAMPLES - len(found.examples)]
    return found


def _rows_of(upload_field: UploadField) -> QuerySet[Model]:
    """All rows of the table, whatever its managers leave out."""
    model = upload_field.model
    return QuerySet(model).using(router.db_for_write(model))


def _sample(rows: QuerySet[M], show: Callable[[M], str]) -> Finding:
    examples = [show(row) for row in rows.order_by("pk")[:EXAMPLES]]
    number = len(examples) if len(examples) < EXAMPLES else rows.count()
    return Finding(number, examples)


def _check_plausible(unreferenced: int) -> None:
    if unreferenced <= IMPLAUSIBLE:
        return
    attached = MediaObject.objects.filter(state=State.ATTACHED).count()
    if 2 * unreferenced > attached:
        raise ImplausibleAudit(
            f"Nothing refers to {unreferenced} of {attached} files. If the records of these are "
            "meant to be gone, run it once with --force; otherwise restore them first."
        )


def _release() -> int:
    """Put what nothing refers to up for deletion; each UPDATE looks for references once more."""
    released, last = 0, 0
    while keys := list(
        _unreferenced().filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        released += _unreferenced().filter(pk__in=keys).release()
        last = keys[-1]
    return released
