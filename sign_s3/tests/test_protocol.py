"""The protocol of attach, rollback and sweep, against every order of steps and faults.

``PROTOCOL_EXAMPLES=5000 pytest sign_s3/tests/test_protocol.py`` looks further than the tests of
every day do, and draws other runs each time.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sign_s3.tests.protocol import mutations
from sign_s3.tests.protocol.ledger import Violation
from sign_s3.tests.protocol.machine import LENGTH, Protocol, walk
from sign_s3.tests.protocol.mutations import Mutation
from sign_s3.tests.protocol.store import MemoryS3
from sign_s3.tests.protocol.world import World

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("PROTOCOL_EXAMPLES", "0"))
PROFILE = settings(
    max_examples=EXAMPLES or 15,
    stateful_step_count=LENGTH,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
WALKS = range(EXAMPLES or 15)
Trace = Callable[[World], None]


def told(tally: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(tally.items()))


def test_no_order_of_steps_and_faults_breaks_an_invariant(memory_s3: MemoryS3, record_property):
    tally: Counter[str] = Counter()
    machine: Any = lambda: Protocol(memory_s3, tally)  # noqa: E731 - it takes what makes one, too
    run_state_machine_as_test(machine, settings=PROFILE)
    record_property("protocol", f"drawn: {told(tally)}")


def test_no_walk_by_chance_breaks_an_invariant(memory_s3: MemoryS3, record_property):
    tally: Counter[str] = Counter()
    for seed in WALKS:
        walk(Protocol(memory_s3, tally), random.Random(seed))
    record_property("protocol", f"by chance: {told(tally)}")


# ------------------------------------------------------------------ what breaks it without
#
# An attach is stepped twice for each of its calls: GetObject takes effect, its answer arrives and
# the claim follows; CopyObject takes effect, its answer arrives and the commit follows.

CLAIMED, COPIED = 2, 3


def post_again_after_attach(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"], whole=True)
    run.post("u1", "another picture")
    run.check()


def post_again_before_the_copy(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.step("W1", CLAIMED)
    run.post("u1", "another picture")
    run.finish("W1")


def two_attaches_of_one_key(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.attach("W2", ["u1"])
    run.finish("W1")
    run.post("u1", "another picture")
    run.finish("W2")


def commit_after_the_lease_was_taken_over(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.step("W1", COPIED)
    run.tick(61)
    run.attach("W2", ["u1"])
    run.step("W2", CLAIMED)
    run.finish("W1")


def commit_after_the_sweep(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.step("W1", COPIED)
    run.tick(661)
    run.sweep("W2", whole=True)
    run.finish("W1")


def zombie_copies_what_is_posted_again(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.step("W1", CLAIMED)
    run.tick(61)
    run.post("u1", "another picture")
    run.attach("W2", ["u1"], whole=True)
    run.post("u1", "one picture")
    run.finish("W1")


def rollback_between_copy_and_commit(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.step("W1", COPIED)
    run.rollback("W2", ["u1"], whole=True)
    run.finish("W1")


def attach_between_the_looks_of_a_rollback(run: World) -> None:
    run.upload()
    run.rollback("W2", ["u1"])
    run.step("W2", 2)
    run.attach("W1", ["u1"])
    run.step("W1", COPIED)
    run.finish("W2")
    run.finish("W1")


def zombie_copies_after_the_first_delete(run: World) -> None:
    run.upload()
    run.attach("W1", ["u1"])
    run.step("W1", CLAIMED)
    run.tick(61)
    run.attach("W2", ["u1"], whole=True)
    run.post("u1", "one picture")
    run.release()
    run.sweep("W2", whole=True)
    run.finish("W1")


#: Each with the trace that shows it, and the invariant that the trace breaks.
MUTATIONS: list[tuple[Mutation, Trace, str]] = [
    (mutations.one_bucket, post_again_after_attach, "S1"),
    (mutations.copy_of_anything, post_again_before_the_copy, "S1"),
    (mutations.claim_of_anyone, two_attaches_of_one_key, "S1"),
    (mutations.commit_without_the_token, commit_after_the_lease_was_taken_over, "S5"),
    (mutations.commit_without_the_token, commit_after_the_sweep, "S1"),
    (mutations.take_over_for_other_bytes, zombie_copies_what_is_posted_again, "S1"),
    (mutations.rollback_of_media, rollback_between_copy_and_commit, "S1"),
    (mutations.rollback_of_media, rollback_between_copy_and_commit, "S4"),
    (mutations.rollback_that_looks_first, attach_between_the_looks_of_a_rollback, "S4"),
    (mutations.one_delete, zombie_copies_after_the_first_delete, "L2"),
]
#: These take a chain of events that chance has not put together yet; their traces do.
FAR_FETCHED = {mutations.take_over_for_other_bytes, mutations.one_delete}
named = pytest.mark.parametrize(
    ("mutation", "trace", "broken"),
    [pytest.param(*case, id=f"{case[0].__name__}-{case[2]}") for case in MUTATIONS],
)


def play(trace: Trace, run: World) -> None:
    try:
        trace(run)
    finally:
        run.end()


@named
def test_a_mutation_breaks_an_invariant(
    memory_s3: MemoryS3,
    monkeypatch: pytest.MonkeyPatch,
    mutation: Mutation,
    trace: Trace,
    broken: str,
) -> None:
    run = World(memory_s3, checked=frozenset({broken}))
    mutation(monkeypatch, memory_s3)
    with pytest.raises(Violation, match=broken):
        play(trace, run)


@named
def test_the_same_trace_is_harmless_without_the_mutation(
    memory_s3: MemoryS3, mutation: Mutation, trace: Trace, broken: str
) -> None:
    play(trace, World(memory_s3))


@pytest.mark.skipif(not EXAMPLES, reason="PROTOCOL_EXAMPLES is not set")
@pytest.mark.parametrize("mutation", dict.fromkeys(case[0] for case in MUTATIONS))
def test_chance_finds_a_mutation_by_itself(
    memory_s3: MemoryS3, monkeypatch: pytest.MonkeyPatch, record_property, mutation: Mutation
) -> None:
    tally: Counter[str] = Counter()
    found = None
    for seed in WALKS:
        run = Protocol(memory_s3, tally)
        mutation(monkeypatch, memory_s3)
        try:
            walk(run, random.Random(seed))
        except Violation as exc:
            found = str(exc)
            break
        finally:
            monkeypatch.undo()
    record_property("protocol", f"{mutation.__name__}, {tally['steps']} steps: {found}")
    assert found or mutation in FAR_FETCHED
