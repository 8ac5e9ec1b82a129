"""The rules: what clients, workers, faults and time do next, drawn by weight.

Few rules with many ways each, since Hypothesis switches whole rules off in most examples. What is
drawn often is what lets services meet: few uploads, mostly one owner, time that ends a lease or its
grace more often than an hour or a week.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sign_s3.tests.protocol.records import references
from sign_s3.tests.protocol.stage import DATABASE_FAULTS, S3_FAULTS
from sign_s3.tests.protocol.store import MemoryS3
from sign_s3.tests.protocol.world import BODIES, CRASH, DAY, GOOD_BODIES, World

T = TypeVar("T")

OWNERS: Final = ("alice",) * 5 + ("bob",)
#: None is the upload's owner; the others ask for it now and then, too.
CALLERS: Final = (None,) * 8 + ("alice", "bob")
SERVICES: Final = ("attach",) * 4 + ("rollback", "sweep")
PLACES: Final = ("photo", "photo", "cover")
FIRST_BODIES: Final = (None, *("one picture",) * 6, "a page")
LATER_BODIES: Final = (*GOOD_BODIES, *GOOD_BODIES, *BODIES)
WAYS_TO_SAVE: Final = ("new", "new", "new", "edit", "fails")
WAYS_TO_RELEASE: Final = ("cascade", "queryset", "cleared", "sql", "bulk")
STEPS: Final = (1, 1, 2, 2, 2, 3, 3, 4, 100)
FAULTS: Final = (*S3_FAULTS, "delayed", *DATABASE_FAULTS, CRASH)
TICKS: Final = (11, 61, 61, 61, 61, 290, 601, 601, 601, 662, 901, 901, 3_600, 3 * DAY, 8 * DAY)
MOST_UPLOADS: Final = 8
#: Only the last ones are asked for, so that requests meet.
LIVELY: Final = 2


def one_of(choices: Callable[[World], Sequence[T]]) -> st.SearchStrategy[T]:
    """One of what there is at this point of the run."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine.world)))


busy = one_of(lambda world: sorted(world.actors))
idle = one_of(lambda world: world.idle)
lively = one_of(lambda world: [*world.signed][-LIVELY:])
good = one_of(lambda world: world.good)
released = one_of(lambda world: world.released)
one_or_two = st.one_of(
    lively.map(lambda name: [name]),
    lively.map(lambda name: [name]),
    st.lists(lively, min_size=1, max_size=2, unique=True),
)
number = st.integers(0, 3)


class Protocol(RuleBasedStateMachine):
    def __init__(self, s3: MemoryS3, tally: Counter[str]) -> None:
        super().__init__()
        self.world = World(s3, tally)
        # Time that passes twice without anything between is time that passes.
        self.just_ticked = False
        self.looked_at = 0.0

    @initialize(owner=st.sampled_from(OWNERS))
    def begin(self, owner: str) -> None:
        self.world.upload()
        self.world.upload(owner)

    # ------------------------------------------------------------------ clients

    @precondition(lambda self: len(self.world.signed) < MOST_UPLOADS)
    @rule(
        owner=st.sampled_from(OWNERS),
        place=st.sampled_from(PLACES),
        body=st.sampled_from(FIRST_BODIES),
    )
    def upload(self, **how: Any) -> None:
        self.world.upload(**how)

    @precondition(lambda self: self.world.actors and self.world.good)
    @rule(upload=good, body=st.sampled_from(LATER_BODIES))
    def post_again(self, **how: Any) -> None:
        self.world.post(**how)

    @precondition(lambda self: self.world.idle)
    @rule(
        worker=idle,
        service=st.sampled_from(SERVICES),
        names=one_or_two,
        owner=st.sampled_from(CALLERS),
        save=st.sampled_from(WAYS_TO_SAVE),
        record=number,
        whole=st.sampled_from((False, False, True)),
    )
    def request(
        self, worker: str, service: str, names: list[str], owner: str | None, **how: Any
    ) -> None:
        whole = how["whole"]
        if service == "attach":
            self.world.attach(worker, names, owner, **how)
        elif service == "rollback":
            self.world.rollback(worker, names, owner, whole=whole)
        else:
            self.world.sweep(worker, whole=whole)

    @precondition(lambda _: bool(references()))
    @rule(record=number, way=st.sampled_from(WAYS_TO_RELEASE))
    def release(self, **how: Any) -> None:
        self.world.release(**how)

    @precondition(lambda self: self.world.released)
    @rule(upload=released)
    def put_back(self, upload: str) -> None:
        self.world.put_back(upload)

    # ------------------------------------------------------------------ workers

    @precondition(lambda self: self.world.actors)
    @rule(worker=busy, times=st.sampled_from(STEPS), which=number)
    def step(self, **how: Any) -> None:
        self.world.step(**how)

    @precondition(lambda self: self.world.actors)
    @rule(worker=busy, times=st.sampled_from(STEPS), which=number)
    def go_on(self, **how: Any) -> None:
        """The same, so that it is drawn more often."""
        self.world.step(**how)

    @precondition(lambda self: self.world.actors)
    @rule(worker=busy, fault=st.sampled_from(FAULTS), which=number)
    def fault(self, **how: Any) -> None:
        self.world.fault(**how)

    @precondition(lambda self: self.world.stage.late)
    @rule(which=number)
    def delayed_effect(self, which: int) -> None:
        self.world.stage.land(which)

    @precondition(lambda self: not self.just_ticked)
    @rule(seconds=st.sampled_from(TICKS))
    def tick(self, seconds: int) -> None:
        self.world.tick(seconds)

    # ------------------------------------------------------------------ what has to hold

    @invariant()
    def holds(self) -> None:
        self.just_ticked = self.world.stage.now != self.looked_at
        self.looked_at = self.world.stage.now
        self.world.tally["steps"] += 1
        self.world.check()

    def teardown(self) -> None:
        self.world.end()
