"""Whatever dies in between: the neighbours of poison jobs succeed, poison ends, and no job runs more than it must."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.work import Outcome, QueuedJob
from streams.policy import ending as ending_module
from streams.policy.retry import next_try, with_attempt
from tests.unit.streams.policy.bisecting.world import CAP, Violation, World

STEPS = 80


def play_many(stories: int) -> None:
    for seed in range(stories):
        dice = Random(seed)
        World([dice.random() < 0.2 for _ in range(dice.randrange(1, 3 * CAP))], dice).play(STEPS)


def test_in_many_stories() -> None:
    play_many(80)


@settings(max_examples=30, deadline=None, database=None)
@given(st.lists(st.booleans(), min_size=1, max_size=2 * CAP), st.randoms(use_true_random=False), st.integers(0, STEPS))
def test_in_stories_that_shrink(poison: list[bool], dice: Random, steps: int) -> None:
    World(poison, dice).play(steps)


def test_one_poison_job_of_eight_is_found_in_the_fewest_batches() -> None:
    world = World([number == 5 for number in range(CAP)], Random(0))
    world.play(0)
    sizes = [one.size for one in world.cases["job-5"].ends[0].dead.attempts]  # type: ignore[union-attr]
    assert sizes == [8, 4, 2, 1, 1, 1, 1]
    assert sorted(len(case.runs) for case in world.cases.values()) == [2, 2, 2, 2, 3, 3, 4, 7]


def charges_everybody(queued: QueuedJob, outcome: Outcome) -> QueuedJob:
    failed = with_attempt(queued, outcome)
    last = msgspec.structs.replace(failed.history[-1], counted=True)
    return msgspec.structs.replace(failed, history=[*failed.history[:-1], last])


def charges_nobody(queued: QueuedJob, outcome: Outcome) -> QueuedJob:
    failed = with_attempt(queued, outcome)
    last = msgspec.structs.replace(failed.history[-1], counted=False)
    return msgspec.structs.replace(failed, history=[*failed.history[:-1], last])


def changed(**changes: Any) -> Callable[..., QueuedJob | None]:
    def wrong(failed: QueuedJob, outcome: Outcome, at: float) -> QueuedJob | None:
        again = next_try(failed, outcome, at)
        return again and msgspec.structs.replace(again, **{n: v(failed) if callable(v) else v for n, v in changes.items()})

    return wrong


def gives_up_suspects(failed: QueuedJob, outcome: Outcome, at: float) -> QueuedJob | None:
    return next_try(failed, outcome, at) if failed.history[-1].counted else None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("with_attempt", charges_everybody),
        ("with_attempt", charges_nobody),
        ("next_try", changed(group="")),
        ("next_try", changed(group="all suspects")),
        ("next_try", changed(group=lambda failed: failed.history[-1].batch)),
        ("next_try", changed(attempt=lambda failed: failed.attempt)),
        ("next_try", changed(history=[])),
        ("next_try", gives_up_suspects),
    ],
)
def test_a_policy_that_breaks_a_promise_is_noticed(name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending_module, name, wrong)
    with pytest.raises(Violation):
        play_many(60)
