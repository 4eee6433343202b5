"""Whatever happens in whatever order: nothing is lost, nothing runs twice, nobody idles, and turns are kept."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.policy.batching import Scheduler
from tests.unit.streams.policy.batching.story import Story
from tests.unit.streams.policy.batching.world import Violation
from tests.unit.streams.policy.batching.wrong import WRONG

STEPS = 40


def tell_many(make: type[Scheduler], stories: int) -> None:
    for seed in range(stories):
        Story(make, Random(seed)).tell(STEPS)


def test_every_promise_holds_in_many_stories() -> None:
    tell_many(Scheduler, 1500)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.randoms(use_true_random=False), st.integers(1, STEPS))
def test_every_promise_holds_in_stories_that_shrink(dice: Random, steps: int) -> None:
    Story(Scheduler, dice).tell(steps)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: str(one.__name__))
def test_a_scheduler_that_breaks_a_promise_is_noticed(wrong: type[Scheduler]) -> None:
    with pytest.raises(Violation):
        tell_many(wrong, 3000)
