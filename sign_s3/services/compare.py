"""Compare: where the ledger and the media bucket disagree, at any size, in flat memory.

The bucket's listing and the ledger are merged as streams, both in the order of their bytes. What
changes while that runs looks like a disagreement for a moment, so each is looked at a second time
before it is told.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Final

from django.db import connections, router
from django.db.models.functions import Collate

from sign_s3.bucket import NoSuchKey
from sign_s3.keys import MEDIA_PREFIX, object_key
from sign_s3.models import MediaObject, State
from sign_s3.services.store import each
from sign_s3.storage import media_bucket

#: Names that are looked at together.
BATCH: Final = 1000


class Kind(StrEnum):
    #: An attached row without an object: a record shows a file that is not there.
    MISSING = "missing"
    #: An object without a row: it came past this service, or its row is newer than the database.
    UNKNOWN = "unknown"
    #: An object whose row says deleted: it came back, with an older copy of the bucket.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement; ``name`` is the object's, media prefix included."""

    kind: Kind
    name: str


def differences(on_progress: Callable[[int], None] = lambda _: None) -> Iterator[Difference]:
    """Every confirmed disagreement, in the order of the names. Changes nothing.

    ``on_progress`` is told how many names have been compared. Raises the bucket's exceptions.
    """
    suspects: list[Difference] = []
    merged = heapq.merge(_ledger(), _listing(), key=itemgetter(0))
    for number, (name, found) in enumerate(groupby(merged, key=itemgetter(0)), start=1):
        kind = _judge([state for _, state in found])
        if kind is not None:
            suspects.append(Difference(kind, name))
        if len(suspects) == BATCH:
            yield from _confirmed(suspects)
            suspects = []
        if number % BATCH == 0:
            on_progress(number)
    yield from _confirmed(suspects)


def _ledger() -> Iterator[tuple[str, str | None]]:
    """Names and states as of now, in the order of the names' bytes whatever the locale."""
    rows = MediaObject.objects.values_list("key", "state")
    if connections[router.db_for_write(MediaObject)].vendor == "postgresql":
        rows = rows.order_by(Collate("key", "C"))
    else:
        rows = rows.order_by("key")
    return ((object_key(key), state) for key, state in rows.iterator(chunk_size=10 * BATCH))


def _listing() -> Iterator[tuple[str, str | None]]:
    return ((found.key, None) for found in media_bucket().list())


def _judge(states: Sequence[str | None]) -> Kind | None:
    """What is wrong about a name, from its row's state and, for its object, None."""
    there = None in states
    state = next((state for state in states if state is not None), None)
    if there and state is None:
        return Kind.UNKNOWN
    if there and state == State.DELETED:
        return Kind.RETURNED
    if not there and state == State.ATTACHED:
        return Kind.MISSING
    return None


def _confirmed(suspects: Sequence[Difference]) -> Iterator[Difference]:
    """Those that still are so. The ledger is asked first: what a row is attached to exists."""
    keys = [difference.name.removeprefix(MEDIA_PREFIX) for difference in suspects]
    rows = MediaObject.objects.filter(key__in=keys).values_list("key", "state")
    states = {object_key(key): state for key, state in rows}
    gone = _gone(
        [
            suspect.name
            for suspect in suspects
            if suspect.kind == Kind.MISSING and states.get(suspect.name) == State.ATTACHED
        ]
    )
    for suspect in suspects:
        state = states.get(suspect.name)
        if (
            (suspect.kind == Kind.MISSING and suspect.name in gone)
            or (suspect.kind == Kind.UNKNOWN and state is None)
            or (suspect.kind == Kind.RETURNED and state == State.DELETED)
        ):
            yield suspect


def _gone(names: Sequence[str]) -> set[str]:
    """Those that S3 has no object for, asked one by one."""
    gone = set()
    for name, outcome in zip(names, each(media_bucket().stat, names), strict=True):
        if isinstance(outcome, NoSuchKey):
            gone.add(name)
        elif isinstance(outcome, Exception):
            raise outcome
    return gone
