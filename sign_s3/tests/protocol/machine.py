"""The machine: what clients, workers, faults and time do next, drawn by weight.

It has one rule with many ways, since Hypothesis switches whole rules off in most examples, and
services that never get far never meet. What lets them meet is drawn often: few uploads, mostly one
owner, one step at a time, and time that ends a lease or its grace rather than a week. How much goes
wrong differs from example to example, too.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sign_s3.tests.protocol.records import references
from sign_s3.tests.protocol.stage import DATABASE_FAULTS, S3_FAULTS
from sign_s3.tests.protocol.store import MemoryS3
from sign_s3.tests.protocol.world import BODIES, CRASH, DAY, GOOD_BODIES, World

OWNERS: Final = ("alice",) * 5 + ("bob",)
#: None is the upload's owner; the others ask for it now and then, too.
CALLERS: Final = (None,) * 8 + ("alice", "bob")
PLACES: Final = ("photo", "photo", "cover")
FIRST_BODIES: Final = (None, *("one picture",) * 6, "a page")
LATER_BODIES: Final = (*GOOD_BODIES, *GOOD_BODIES, *BODIES)
WAYS_TO_SAVE: Final = ("new", "new", "new", "edit", "fails")
WAYS_TO_RELEASE: Final = ("cascade", "queryset", "cleared", "sql", "bulk")
WHOLE: Final = (False, False, True)
STEPS: Final = (1, 1, 2, 2, 2, 3, 3, 4, 100)
FAULTS: Final = (*S3_FAULTS, "delayed", *DATABASE_FAULTS, CRASH)
TICKS: Final = (11, *(61,) * 6, 290, 601, 601, 601, 662, 901, 901, 3_600, 3 * DAY, 8 * DAY)
#: The weights of faults and of time, one each for an example.
TROUBLE: Final = (0, 1, 1, 4)
HASTE: Final = (1, 2, 4)
#: Events of one example.
LENGTH: Final = 60
MOST_UPLOADS: Final = 8
#: Only the last ones are asked for, so that requests meet.
LIVELY: Final = 2

Event = tuple[str, dict[str, Any]]
Choose = Callable[[Sequence[Any]], Any]


def possible(machine: "Protocol") -> list[str]:
    """The names of what can happen now, each as often as its weight."""
    world = machine.world
    to_sweep = len(world.invariants.rows) > sum(references().values())
    weights = {
        "attach": 6 if world.idle else 0,
        "rollback": 2 if world.idle else 0,
        "sweep": (4 if to_sweep else 1) if world.idle else 0,
        "upload": (1 if world.good else 4) if len(world.signed) < MOST_UPLOADS else 0,
        "post": 3 if world.actors and world.good else 0,
        "release": 2 if references() else 0,
        "put_back": 1 if world.released else 0,
        "step": 14 if world.actors else 0,
        "fault": machine.trouble if world.actors else 0,
        "delayed_effect": 2 if world.stage.late else 0,
        # Time that passes twice without anything between is time that passes.
        "tick": 0 if machine.just_ticked else machine.haste,
    }
    return [name for name, weight in weights.items() for _ in range(weight)]


def next_event(machine: "Protocol", one: Choose) -> Event:
    """What happens next, chosen by ``one``."""
    name = one(possible(machine))
    return name, HOW[name](machine.world, one)


def _request(world: World, one: Choose) -> dict[str, Any]:
    lively = [*world.signed][-LIVELY:]
    names = one([lively[-1:], lively[-1:], lively[:1], lively, lively[::-1]])
    wanted = {"worker": world.idle[0], "names": names, "owner": one(CALLERS)}
    return {**wanted, "whole": one(WHOLE)}


def _call(world: World, one: Choose) -> dict[str, Any]:
    return {"worker": one(sorted(world.actors)), "which": one((0, 1))}


HOW: Final[Mapping[str, Callable[[World, Choose], dict[str, Any]]]] = {
    "attach": lambda world, one: {
        **_request(world, one),
        "save": one(WAYS_TO_SAVE),
        "record": one(range(4)),
    },
    "rollback": _request,
    "sweep": lambda world, one: {"worker": world.idle[0], "whole": one(WHOLE)},
    "upload": lambda _, one: {
        "owner": one(OWNERS),
        "place": one(PLACES),
        "body": one(FIRST_BODIES),
    },
    "post": lambda world, one: {
        "upload": one(world.good[-LIVELY:]),
        "body": one(LATER_BODIES),
    },
    "release": lambda _, one: {"record": one(range(4)), "way": one(WAYS_TO_RELEASE)},
    "put_back": lambda world, one: {"upload": one(world.released)},
    "step": lambda world, one: {**_call(world, one), "times": one(STEPS)},
    "fault": lambda world, one: {**_call(world, one), "fault": one(FAULTS)},
    "delayed_effect": lambda _, one: {"which": one(range(4))},
    "tick": lambda _, one: {"seconds": one(TICKS)},
}


@st.composite
def an_event(draw: st.DrawFn) -> Event:
    machine = draw(st.runner())
    assert isinstance(machine, Protocol)
    return next_event(machine, lambda choices: draw(st.sampled_from(choices)))


class Protocol(RuleBasedStateMachine):
    def __init__(self, s3: MemoryS3, tally: Counter[str]) -> None:
        super().__init__()
        self.world = World(s3, tally)
        self.trouble = self.haste = 1
        self.just_ticked = False

    @initialize(
        owner=st.sampled_from(OWNERS),
        trouble=st.sampled_from(TROUBLE),
        haste=st.sampled_from(HASTE),
    )
    def begin(self, owner: str, trouble: int, haste: int) -> None:
        self.trouble, self.haste = trouble, haste
        self.world.upload()
        self.world.upload(owner)

    @rule(event=an_event())
    def happens(self, event: Event) -> None:
        name, how = event
        getattr(self.world, name)(**how)
        self.just_ticked = name == "tick"

    @invariant()
    def holds(self) -> None:
        self.world.tally["steps"] += 1
        self.world.check()

    def teardown(self) -> None:
        self.world.end()


def walk(machine: Protocol, chance: random.Random) -> None:
    """One example without Hypothesis: each choice by chance alone, and so much further about.

    What it raises says, as a note, what happened before.
    """
    begin = chance.choice(OWNERS), chance.choice(TROUBLE), chance.choice(HASTE)
    events: list[Any] = [begin]
    try:
        machine.begin(*begin)
        for _ in range(LENGTH):
            events.append(next_event(machine, chance.choice))
            machine.happens(events[-1])
            machine.holds()
        machine.teardown()
    except BaseException as exc:
        exc.add_note("\n".join(map(str, events)))
        machine.teardown()
        raise
