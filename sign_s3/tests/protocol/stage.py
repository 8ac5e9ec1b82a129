"""Runs services as actors that stop before and after each of their S3 calls.

actor = stage.start("attach 1", lambda: attach(…), width=2)    until its first call is to be sent
stage.step(actor)        the call takes effect
stage.step(actor)        its answer arrives, and the actor runs until its next call
stage.refuse(actor)      503, no effect            stage.lose(actor)    effect, no answer
stage.delay(actor)       no answer, the effect comes with `stage.land`
stage.kill(actor)        as by kill -9: nothing it does from now on reaches anything
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection, connections, transaction

from sign_s3.tests.protocol.store import Answer, Call, Cut, MemoryS3, deleted, unavailable

#: Seconds an actor may take between two calls, for a machine with much else to do.
PATIENCE: Final = 60
#: These a service sends for all of its keys side by side.
SIDE_BY_SIDE: Final = {"GetObject", "HeadObject", "CopyObject"}
STOPS: Final = {*SIDE_BY_SIDE, "DeleteObjects", "DeleteObject", "PutObject"}
#: How S3 fails: a 503 without effect; the effect and no answer; no answer, and the effect comes
#: with `Stage.land`; DeleteObjects for every other key.
S3_FAULTS: Final = ("refused", "answer lost", "delayed", "partly deleted")
#: How the database fails a transaction: before it is committed, or by losing the commit's answer.
DATABASE_FAULTS: Final = ("statement fails", "commit fails", "commit unanswered")


class Killed(BaseException):
    """What a killed worker's database calls do instead of reaching the database."""


class Stuck(Exception):
    """An actor neither called S3 nor ended."""


@dataclass(eq=False, slots=True)
class Sent:
    """A call that waits: to take effect, or with its answer to arrive."""

    call: Call
    arrives: "SimpleQueue[Answer | Exception]"
    answer: Answer | None = None


class Actor:
    """One service under way. ``outcome`` is what it returned or raised, once it is ``done``."""

    def __init__(self, name: str, kind: str, owner: str, keys: Sequence[str]) -> None:
        self.name = name
        self.kind = kind
        self.owner = owner
        self.keys = tuple(keys)
        self.sent: list[Sent] = []
        self.events: SimpleQueue[Sent | None] = SimpleQueue()
        self.done = False
        self.killed = False
        self.outcome: Any = None
        self.database_fault: str | None = None

    def __repr__(self) -> str:
        return f"{self.name} ({self.kind})"

    def expects(self, call: Call) -> int:
        """How many calls it sends at once when it sends this one."""
        return len(self.keys) if call.operation in SIDE_BY_SIDE else 1


@dataclass(frozen=True, slots=True)
class Late:
    """A call without an answer that is still to take effect."""

    call: Call
    since: float


class Stage:
    """Lets one actor run at a time, on the one connection of the test.

    ``on_sent`` is told of each call before it can take effect, ``on_effect`` when it did, and
    ``on_stop`` after an actor has come to its next stop.
    """

    def __init__(self, s3: MemoryS3) -> None:
        self.s3 = s3
        self.now = 0.0
        self.late: list[Late] = []
        self.on_sent: Callable[[Actor, Call], None] = lambda *_: None
        self.on_effect: Callable[[Actor, Call], None] = lambda *_: None
        self.on_stop: Callable[[Actor], None] = lambda *_: None
        #: Where a key stands among its like. Keys are random, and a run must not depend on them.
        self.rank: Callable[[str], int] = lambda _: 0
        self._running: Actor | None = None
        self._undone = False

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        self.s3.intercept = self._arrive
        connection.inc_thread_sharing()
        try:
            with connection.execute_wrapper(self._query):
                yield self
        finally:
            connection.dec_thread_sharing()
            self.s3.intercept = self.s3.perform

    # ------------------------------------------------------------------ what may happen

    def start(self, actor: Actor, work: Callable[[], Any]) -> None:
        shared = connections["default"]

        def run() -> None:
            connections["default"] = shared
            try:
                actor.outcome = work()
            except BaseException as exc:  # noqa: BLE001 - the machine looks at it
                actor.outcome = exc
            actor.events.put(None)

        self._run(actor, threading.Thread(target=run, name=actor.name, daemon=True).start)

    def step(self, actor: Actor, which: int = 0) -> None:
        """One of the actor's calls takes effect, or its answer arrives."""
        sent = self._pick(actor, which)
        if sent.answer is None:
            self._perform(actor, sent)
        else:
            self._deliver(actor, sent, sent.answer)

    def finish(self, actor: Actor) -> None:
        while not actor.done:
            self.step(actor)

    def fail(self, actor: Actor, fault: str, which: int = 0) -> bool:
        """One of the actor's calls fails, if it can still fail like that."""
        sent = self._pick(actor, which)
        if fault == "answer lost":
            if sent.answer is None:
                self._perform(actor, sent)
            self._deliver(actor, sent, Cut())
            return True
        if sent.answer is not None:
            return False
        answer: Answer | Exception = unavailable()
        if fault == "delayed":
            self.late.append(Late(sent.call, self.now))
            answer = Cut()
        elif fault == "partly deleted":
            if sent.call.operation != "DeleteObjects":
                return False
            answer = self._delete_every_other(sent.call)
        self._deliver(actor, sent, answer)
        return True

    def _delete_every_other(self, call: Call) -> Answer:
        keys = tuple(sorted(call.keys, key=self.rank))
        for key in keys[1::2]:
            self.s3.buckets[call.bucket].pop(key, None)
        return deleted(keys[1::2], failed=keys[::2])

    def kill(self, actor: Actor) -> None:
        if actor.done:
            return
        actor.killed = True
        self._running = actor
        waiting, actor.sent = actor.sent, []
        for sent in waiting:
            sent.arrives.put(Cut())
        while self._next_event(actor) is not None:
            pass
        self._running = None
        actor.done = True

    def land(self, number: int = 0) -> Call:
        """A delayed call takes effect."""
        call = self.late.pop(number % len(self.late)).call
        self.s3.perform(call)
        return call

    # ------------------------------------------------------------------ how it does

    def _pick(self, actor: Actor, which: int) -> Sent:
        return actor.sent[which % len(actor.sent)]

    def _perform(self, actor: Actor, sent: Sent) -> None:
        sent.answer = self.s3.perform(sent.call)
        self.on_effect(actor, sent.call)
        self.on_stop(actor)

    def _deliver(self, actor: Actor, sent: Sent, answer: Answer | Exception) -> None:
        actor.sent.remove(sent)
        if actor.sent:
            sent.arrives.put(answer)  # the actor waits for the others
            return
        self._run(actor, lambda: sent.arrives.put(answer))

    def _run(self, actor: Actor, go: Callable[[], None]) -> None:
        """Until all the calls it sends next have been sent, or its end."""
        self._running = actor
        go()
        while (event := self._next_event(actor)) is not None:
            actor.sent.append(event)
            if len(actor.sent) == actor.expects(event.call):
                break
        self._running = None
        actor.done = event is None
        actor.database_fault = None
        # Where a statement of its own failed outside of any transaction, the one around this test
        # does not care.
        transaction.set_rollback(False)
        actor.sent.sort(key=lambda sent: self.rank(sent.call.keys[0]))
        for sent in actor.sent:
            self.on_sent(actor, sent.call)
        self.on_stop(actor)

    def _next_event(self, actor: Actor) -> Sent | None:
        try:
            return actor.events.get(timeout=PATIENCE)
        except Empty:
            raise Stuck(repr(actor)) from None

    def _arrive(self, call: Call) -> Answer:
        """In a thread of the running actor: wait for the stage."""
        actor = self._running
        if actor is None or call.operation not in STOPS:
            return self.s3.perform(call)
        if actor.killed:
            raise Cut
        sent = Sent(call, SimpleQueue())
        actor.events.put(sent)
        answer = sent.arrives.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _query(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Every statement of whoever runs goes through here."""
        actor = self._running
        if actor is None:
            return execute(sql, params, many, context)
        if actor.killed:
            raise Killed
        # A savepoint that was rolled back is released as well, which commits nothing.
        commits = sql.startswith("RELEASE") and not self._undone
        self._undone = sql.startswith("ROLLBACK")
        fault = actor.database_fault
        if fault == "statement fails" and not sql.startswith(("SAVEPOINT", "ROLLBACK", "RELEASE")):
            actor.database_fault = None
            raise OperationalError("the database is gone")
        if fault == "commit fails" and commits:
            actor.database_fault = None
            raise OperationalError("the commit failed")
        result = execute(sql, params, many, context)
        if fault == "commit unanswered" and commits:
            actor.database_fault = None
            # Not a DatabaseError: Django would try to undo what is committed.
            raise InterfaceError("the connection is closed")
        return result
