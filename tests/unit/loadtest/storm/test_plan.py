"""Load and faults are drawn from the seed, in their shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from loadtest.storm.faults import WEIGHTS, Fault, broker_faults, cache_faults, process_faults
from loadtest.storm.load import SHARES, Load, draw_load
from streams.policy.decode import read_control, read_job
from streams.policy.rejected import Rejected


def load() -> Load:
    return draw_load(7, 300, 20)


def test_a_seed_draws_the_same_load_again() -> None:
    assert load().events == load().events
    assert load().events != draw_load(8, 300, 20).events


def gpu(seed: int) -> list[Fault]:
    return list(islice(process_faults(seed, "gpu-1", session_s=6, life_s=(4, 30)), 2000))


def brokers(seed: int) -> list[Fault]:
    return list(islice(broker_faults(seed, "brokers"), 20))


def redis(seed: int) -> list[Fault]:
    return list(islice(cache_faults(seed, "redis"), 20))


@pytest.mark.parametrize("draw", [gpu, brokers, redis])
def test_a_seed_draws_the_same_faults_again(draw: Callable[[int], list[Fault]]) -> None:
    assert draw(1) == draw(1) != draw(2)


def test_the_shares_are_of_a_hundred_and_all_kinds_come() -> None:
    assert sum(SHARES.values()) == 100
    ends = Counter(intent.ends for intent in load().intents.values())
    assert set(ends) == {frozenset(one) for one in ({"succeeded"}, {"failed"}, {"expired"}, {"succeeded", "expired"}, ())}
    assert len(load().early) == 9


def test_each_body_is_what_its_sender_means() -> None:
    for event in load().events:
        if event.topic == "control":
            read_control(event.value)
            continue
        intent = load().intents[event.value]
        try:
            job = read_job(event.value)
        except Rejected:
            assert not intent.ends
        else:
            assert (job.id, job.tenant) == (intent.id, intent.tenant)


def test_events_come_in_the_order_of_their_times() -> None:
    times = [event.at_s for event in load().events]
    assert times == sorted(times)
    assert 14 <= times[-1] <= 30


def test_blows_come_in_their_weights_and_a_freeze_outlasts_the_session() -> None:
    blows = gpu(1)
    share = Counter(one.blow for one in blows)
    assert all(abs(share[blow] / 20 - weight) < 3 for blow, weight in WEIGHTS.items())
    assert all(4 <= one.after_s <= 30 for one in blows)
    assert all(one.hold_s > 6 for one in blows if one.blow == "freeze")
