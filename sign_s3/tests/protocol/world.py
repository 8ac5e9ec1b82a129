"""The world the services run in: every single thing that can happen, one method each."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import Error
from django.db.models import F
from django.db.transaction import TransactionManagementError

from local.pictures import picture
from sign_s3.bucket import BucketException
from sign_s3.conf import conf
from sign_s3.destinations import Destination
from sign_s3.keys import bare_key
from sign_s3.models import MediaObject, State
from sign_s3.services.attach import Upload, attach
from sign_s3.services.errors import StoreBusy, UploadsRefused
from sign_s3.services.issue import issue
from sign_s3.services.rollback import rollback
from sign_s3.services.sweep import sweep
from sign_s3.signing import PresignedPost
from sign_s3.tests.app.models import COVERS, PHOTOS
from sign_s3.tests.protocol import records
from sign_s3.tests.protocol.ledger import ALL, Invariants
from sign_s3.tests.protocol.records import RecordGone, references
from sign_s3.tests.protocol.stage import DATABASE_FAULTS, Actor, Killed, Stage
from sign_s3.tests.protocol.store import MemoryS3

GOOD_BODIES: Final = ("one picture", "another picture")
#: What clients post. Every inspection refuses the page.
BODIES: Final = {
    "one picture": picture("PNG", 8, 8, seed=1),
    "another picture": picture("PNG", 8, 8, seed=2),
    "a page": b"<html><script>alert(1)</script></html>",
}
GOOD: Final = frozenset(BODIES[name] for name in GOOD_BODIES)
PLACES: Final = {"photo": PHOTOS, "cover": COVERS}
WORKERS: Final = ("W1", "W2", "W3")
CRASH: Final = "crash"

#: A request that lost its connection takes effect within this many seconds or not at all.
IN_FLIGHT: Final = 300
#: What the second delete waits for: from its claim to the effect of its copy, a worker that still
#: copies takes no longer than ``settle``. One that was paused for more than this is gone.
PAUSE: Final = conf().settle.total_seconds() - IN_FLIGHT
DAY: Final = 86_400

EXPECTED: Final = (UploadsRefused, BucketException, StoreBusy, Error, RecordGone, Killed)


@dataclass(frozen=True, slots=True)
class Signed:
    """A form a client holds."""

    form: PresignedPost
    key: str
    owner: str
    destination: Destination
    since: float


class World:
    """Clients, workers, both buckets and time. Empty at first; `end` it when done.

    Workers go by name, and each runs one service at a time. Uploads are u1, u2 and so on.
    """

    def __init__(
        self, s3: MemoryS3, tally: Counter[str] | None = None, checked: frozenset[str] = ALL
    ) -> None:
        self.tally = Counter() if tally is None else tally
        self.tally["examples"] += 1
        settings = conf()
        s3.clear()
        records.forget_all()
        MediaObject.objects.all().delete()
        self.s3 = s3
        self.stage = Stage(s3)
        self.invariants = Invariants(
            self.stage,
            incoming=settings.incoming_bucket,
            media=settings.media_bucket,
            good=GOOD,
            checked=checked,
        )
        self.incoming = s3.buckets[settings.incoming_bucket]
        self.signed: dict[str, Signed] = {}
        self.posted_at: dict[str, float] = {}
        self.actors: dict[str, Actor] = {}
        #: What each worker's last service returned or raised.
        self.outcomes: dict[str, Any] = {}
        self.started = 0
        self.ended = False
        self.stage.rank = lambda name: [*self.invariants.signed_for].index(bare_key(name))
        self._closing = ExitStack()
        self._closing.enter_context(self.stage.open())

    @property
    def idle(self) -> list[str]:
        return [worker for worker in WORKERS if worker not in self.actors]

    @property
    def good(self) -> list[str]:
        """Uploads whose form can still be used."""
        oldest = self.stage.now - conf().policy_seconds
        return [name for name, signed in self.signed.items() if signed.since >= oldest]

    @property
    def released(self) -> list[str]:
        """Uploads that a record held, and no sweep has come by since."""
        held = references()
        return [
            name
            for name, signed in self.signed.items()
            if (row := self.invariants.rows.get(signed.key)) is not None
            and (row.state, row.attempts, row.deletes_sent) == (State.DELETING, 0, 0)
            and signed.key in self.invariants.committed
            and signed.key not in held
        ]

    # ------------------------------------------------------------------ clients

    def upload(
        self, owner: str = "alice", place: str = "photo", body: str | None = "one picture"
    ) -> None:
        """A client asks for a form, and uses it or does not."""
        destination = PLACES[place]
        form = issue(owner=owner, mime="image/png", path=destination.path, number=1)[0]
        assert isinstance(form, PresignedPost)
        name = f"u{len(self.signed) + 1}"
        signed = Signed(form, bare_key(form.fields["key"]), owner, destination, self.stage.now)
        self.signed[name] = signed
        self.invariants.signed_for[signed.key] = owner
        if body is not None:
            self.post(name, body)

    def post(self, upload: str, body: str = "one picture") -> None:
        """Also again, with the same form and other bytes, as long as the form is good."""
        assert upload in self.good
        signed = self.signed[upload]
        self.tally["posts"] += 1
        self.invariants.posts[signed.key] = self.s3.post(signed.form, BODIES[body])
        self.posted_at[signed.form.fields["key"]] = self.stage.now

    def attach(
        self,
        worker: str,
        names: Sequence[str],
        owner: str | None = None,
        save: str = "new",
        record: int = 0,
        whole: bool = False,
    ) -> None:
        """A request to create or change a record: all of it, or until its first call to S3."""
        signed = [self.signed[name] for name in names]
        owner = owner or signed[0].owner
        wanted = [
            Upload(it.key, it.destination, name) for it, name in zip(signed, names, strict=True)
        ]
        write = records.writing([(it.key, it.destination) for it in signed], save, record)
        self._start(
            worker,
            "attach",
            owner,
            [it.key for it in signed],
            lambda: attach(owner=owner, uploads=wanted, save=write),
            whole=whole,
        )

    def rollback(
        self, worker: str, names: Sequence[str], owner: str | None = None, whole: bool = False
    ) -> None:
        keys = [self.signed[name].key for name in names]
        owner = owner or self.signed[names[0]].owner
        self._start(
            worker,
            "rollback",
            owner,
            keys,
            lambda: rollback(owner=owner, uploads=dict.fromkeys(keys, "key")),
            whole=whole,
        )

    def release(self, record: int = 0, way: str = "queryset") -> None:
        """A record is deleted or changed, past the service."""
        self.tally["releases"] += 1
        records.release(record, way)

    def put_back(self, upload: str) -> None:
        """A record is made to refer to its old file again, past the service, before a sweep."""
        assert upload in self.released
        signed = self.signed[upload]
        self.tally["put back"] += 1
        records.refer_to(signed.key, signed.destination)

    # ------------------------------------------------------------------ workers

    def sweep(self, worker: str, whole: bool = False) -> None:
        self._start(worker, "sweep", "", [], sweep, whole=whole)

    def _start(
        self,
        worker: str,
        kind: str,
        owner: str,
        keys: Sequence[str],
        work: Callable[[], Any],
        *,
        whole: bool,
    ) -> None:
        self.started += 1
        self.tally[kind] += 1
        actor = self.actors[worker] = Actor(f"{worker}-{self.started}", kind, owner, keys)
        self.stage.start(actor, work)
        if whole:
            self.stage.finish(actor)
        self._look_at(worker)

    def step(self, worker: str, times: int = 1, which: int = 0) -> None:
        """One call takes effect, or its answer arrives and the worker goes on to the next."""
        actor = self.actors[worker]
        for _ in range(times):
            if not actor.done:
                self.stage.step(actor, which)
        self._look_at(worker)

    def finish(self, worker: str) -> None:
        self.step(worker, times=100)

    def _look_at(self, worker: str) -> None:
        """If it ended, with an error, then with one that the services document."""
        actor = self.actors[worker]
        if not actor.done:
            return
        del self.actors[worker]
        outcome = self.outcomes[worker] = actor.outcome
        ending = type(outcome).__name__ if isinstance(outcome, BaseException) else "done"
        self.tally[f"{actor.kind}: {ending}"] += 1
        if isinstance(outcome, BaseException) and (
            not isinstance(outcome, EXPECTED) or isinstance(outcome, TransactionManagementError)
        ):
            raise outcome

    # ------------------------------------------------------------------ faults

    def fault(self, worker: str, fault: str, which: int = 0) -> None:
        """What waits to take effect fails; the database does when the worker next uses it."""
        actor = self.actors[worker]
        if fault == CRASH:
            self.crash(worker)
            return
        if fault in DATABASE_FAULTS:
            actor.database_fault = fault
            if all(sent.answer is None for sent in actor.sent):
                self.stage.step(actor, which)
            self.stage.step(actor, which)
            happened = True
        else:
            happened = self.stage.fail(actor, fault, which)
        self.tally[f"fault: {fault}"] += happened
        self._look_at(worker)

    def delayed_effect(self, which: int = 0) -> None:
        self.stage.land(which)

    def crash(self, worker: str) -> None:
        self.tally["fault: crash"] += 1
        self.stage.kill(self.actors.pop(worker))

    # ------------------------------------------------------------------ time

    def tick(self, seconds: int) -> None:
        """Time passes: all that the database compares its clock with lies that much further back.

        What cannot take any longer happens or ends before.
        """
        self.stage.now += seconds
        now = self.stage.now
        for late in [late for late in self.stage.late if late.since + IN_FLIGHT < now]:
            self.stage.land(self.stage.late.index(late))
            self.invariants.check()
        for worker, actor in list(self.actors.items()):
            claimed_at = self.invariants.of(actor).claimed_at
            copying = any(
                sent.answer is None and sent.call.operation == "CopyObject" for sent in actor.sent
            )
            if copying and claimed_at is not None and claimed_at + PAUSE < now:
                self.crash(worker)
        past = timedelta(seconds=seconds)
        MediaObject.objects.update(lease_until=F("lease_until") - past, due_at=F("due_at") - past)
        for name, posted_at in self.posted_at.items():
            if posted_at + conf().incoming_days * DAY < now:
                self.incoming.pop(name, None)

    def check(self) -> None:
        self.invariants.check()

    # ------------------------------------------------------------------ the end

    def end(self) -> None:
        try:
            for actor in self.actors.values():
                self.stage.kill(actor)
            self.actors.clear()
            if not self.invariants.broken and not self.ended:
                self._come_to_rest()
        finally:
            self.ended = True
            self._closing.close()

    def _come_to_rest(self) -> None:
        """With S3 healthy, time alone clears whatever is left."""
        while self.stage.late:
            self.stage.land()
        for _ in range(4):
            self._sweep_after(3_600)
        self.invariants.check()
        require = self.invariants.require
        unsettled = {
            key: row
            for key, row in self.invariants.rows.items()
            if row.state in {State.PROMOTING, State.DELETING}
        }
        require("L2", not unsettled, f"never deleted: {unsettled}")
        kept = {f"media/{key}" for key in references()}
        require(
            "L2",
            self.invariants.media.keys() == kept,
            f"{self.invariants.media.keys()} instead of {kept}",
        )
        self._sweep_after(8 * DAY)
        require("L1", not self.incoming, f"still in incoming: {list(self.incoming)}")
        left = MediaObject.objects.exclude(state=State.ATTACHED)
        require("L2", not left.exists(), f"tombstones for ever: {list(left)}")

    def _sweep_after(self, seconds: int) -> None:
        self.tick(seconds)
        self.sweep(WORKERS[0], whole=True)
