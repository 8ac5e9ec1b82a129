"""What has to hold between any two steps, and what a row may become in one.

The numbers are those of docs/design.md. What the services should have written is never taken from
the ledger alone: which bytes an actor inspected, which lease token it holds and which posts a
rollback took back is noted from the calls as they pass.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sign_s3.guard import open_transactions
from sign_s3.keys import bare_key
from sign_s3.models import MediaObject, State
from sign_s3.tests.protocol.records import references
from sign_s3.tests.protocol.stage import Actor, Stage
from sign_s3.tests.protocol.store import META, Call

ALL: Final = frozenset({"S1", "S2", "S3", "S4", "S5", "S7", "S8", "L1", "L2"})

#: What may become of a row between two calls to S3.
TRANSITIONS: Final = {
    (None, State.PROMOTING),
    (State.PROMOTING, State.ATTACHED),
    (State.PROMOTING, State.DELETING),
    (State.ATTACHED, State.DELETING),
    (State.DELETING, State.ATTACHED),
    (State.DELETING, State.DELETED),
    (State.DELETED, None),
}


class Violation(AssertionError):
    """An invariant does not hold. The message begins with its number."""


@dataclass(frozen=True, slots=True)
class Row:
    state: State
    owner: str
    etag: str
    token: UUID | None
    attempts: int
    deletes_sent: int


@dataclass(slots=True)
class Seen:
    """What passed between an actor and S3."""

    #: The ETag of each key's head when it was read.
    inspected: dict[str, str] = field(default_factory=dict)
    #: The last post of each key when the actor deleted it from incoming.
    taken_back: dict[str, int] = field(default_factory=dict)
    #: Whether it was told of an upload of somebody else's.
    strangers: bool = False
    #: When its rows appeared, and the token they were given.
    claimed_at: float | None = None
    token: UUID | None = None


class Invariants:
    """Looks at the ledger, both buckets and the references after every step."""

    def __init__(
        self,
        stage: Stage,
        *,
        incoming: str,
        media: str,
        good: frozenset[bytes],
        checked: frozenset[str] = ALL,
    ) -> None:
        self.stage = stage
        self.good = good
        self.checked = checked
        self.broken = False
        self.incoming = stage.s3.buckets[incoming]
        self.media = stage.s3.buckets[media]
        self._incoming_name, self._media_name = incoming, media
        self.rows: dict[str, Row] = {}
        #: Who each key was signed for, and the number of its last post.
        self.signed_for: dict[str, str] = {}
        self.posts: dict[str, int] = {}
        #: Per key, the last post that a rollback which answered 204 took back.
        self.taken_back: dict[str, int] = {}
        #: Per key, the ETag that was inspected by the attach that committed it.
        self.committed: dict[str, str] = {}
        self.deletes_sent: set[str] = set()
        self.seen: dict[Actor, Seen] = {}
        stage.on_sent, stage.on_effect, stage.on_stop = self.sent, self.took_effect, self.check

    def require(self, name: str, holds: bool, why: str) -> None:
        if not holds and name in self.checked:
            self.broken = True
            raise Violation(f"{name}: {why}")

    # ------------------------------------------------------------------ calls as they pass

    def of(self, actor: Actor) -> Seen:
        return self.seen.setdefault(actor, Seen())

    def sent(self, actor: Actor, call: Call) -> None:
        self.require(
            "S7",
            not open_transactions(),
            f"{actor} sent {call} inside a transaction",
        )
        if not call.operation.startswith("Delete"):
            return
        keys = [bare_key(name) for name in call.keys]
        if call.bucket == self._media_name and self._media_name != self._incoming_name:
            for key in keys:
                row = read_ledger().get(key)
                self.require(
                    "S4",
                    row is not None and row.state == State.DELETING,
                    f"{actor} deletes {key} from media, whose row is {row}",
                )
                self.deletes_sent.add(key)
        elif actor.kind == "rollback":
            self.require("S3", not self.of(actor).strangers, f"{actor} deletes another's upload")

    def took_effect(self, actor: Actor, call: Call) -> None:
        seen = self.of(actor)
        for name in call.keys:
            key, found = bare_key(name), self.stage.s3.buckets[call.bucket].get(name)
            if call.operation == "GetObject" and found is not None:
                seen.inspected[key] = found.etag
            elif call.operation == "HeadObject" and found is not None:
                seen.strangers |= found.headers.get(f"{META}userid") != actor.owner
            elif call.operation.startswith("Delete") and actor.kind == "rollback":
                seen.taken_back[key] = self.posts.get(key, 0)

    # ------------------------------------------------------------------ after every step

    def check(self, actor: Actor | None = None) -> None:
        before, self.rows = self.rows, read_ledger()
        for key in before.keys() | self.rows.keys():
            self._check_transition(key, before.get(key), self.rows.get(key), actor)
        if actor is not None and actor.done and actor.kind == "rollback" and not actor.killed:
            self._note_rollback(actor)
        self._check_references()
        for name in self.media:
            self.require("S8", bare_key(name) in self.rows, f"{name} has no row")

    def _check_transition(
        self, key: str, old: Row | None, new: Row | None, actor: Actor | None
    ) -> None:
        states = (old and old.state, new and new.state)
        if states[0] != states[1]:
            self.require("S4", states in TRANSITIONS, f"{key} went from {old} to {new}")
        if new is None:
            return
        if new.state == State.PROMOTING and (old is None or old.token != new.token):
            assert actor is not None
            self._note_claim(key, new, actor)
        if states == (State.PROMOTING, State.ATTACHED):
            assert old is not None
            assert actor is not None
            self._check_commit(key, old, new, actor)
        elif states == (State.DELETING, State.ATTACHED):
            self.require("S4", key not in self.deletes_sent, f"{key} was kept after a delete")

    def _note_claim(self, key: str, row: Row, actor: Actor) -> None:
        seen = self.of(actor)
        seen.claimed_at, seen.token = self.stage.now, row.token
        self.require(
            "S3",
            row.owner == actor.owner == self.signed_for[key],
            f"{actor} of {actor.owner} claims {key} of {self.signed_for[key]}",
        )

    def _check_commit(self, key: str, old: Row, new: Row, actor: Actor) -> None:
        seen, found = self.of(actor), self.media.get(f"media/{key}")
        self.require("S5", old.token == seen.token, f"{actor} commits {key} without its token")
        self.require("S3", new.owner == actor.owner, f"{actor} attaches {new.owner}'s {key}")
        self.committed[key] = seen.inspected.get(key, "")
        self.require(
            "S4",
            found is None or found.origin > self.taken_back.get(key, 0),
            f"{actor} commits {key}, which a rollback took back",
        )

    def _note_rollback(self, actor: Actor) -> None:
        if actor.outcome is not None:
            return
        self.require(
            "S3",
            not self.of(actor).strangers,
            f"{actor} of {actor.owner} was told that another's upload is gone",
        )
        for key, post in self.of(actor).taken_back.items():
            self.taken_back[key] = max(post, self.taken_back.get(key, 0))

    def _check_references(self) -> None:
        held = references()
        for key, number in held.items():
            self.require("S2", number == 1, f"{number} records hold {key}")
            row, found = self.rows.get(key), self.media.get(f"media/{key}")
            self.require("S1", row is not None, f"{key} is referred to and has no row")
            self.require("S1", found is not None, f"{key} is referred to and has no object")
            if row is None or found is None:
                continue
            # A record written past the service may refer to what is about to be deleted.
            untouched = row.state == State.DELETING and not (row.attempts or row.deletes_sent)
            self.require(
                "S1", row.state == State.ATTACHED or untouched, f"{key} is referred to, yet {row}"
            )
            self.require(
                "S1",
                found.etag == self.committed.get(key),
                f"{key} serves other bytes than were inspected",
            )
            self.require("S1", found.data in self.good, f"{key} serves bytes that were refused")


def read_ledger() -> dict[str, Row]:
    columns = ("state", "owner", "etag", "token", "attempts", "deletes_sent")
    return {
        key: Row(State(state), *rest)
        for key, state, *rest in MediaObject.objects.values_list("key", *columns)
    }
