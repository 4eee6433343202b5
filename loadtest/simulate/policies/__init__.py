"""Who competes: the production scheduler and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loadtest.simulate.contender import Contender
from loadtest.simulate.policies.buckets import ShapeBuckets
from loadtest.simulate.policies.deadline import EarliestDeadline
from loadtest.simulate.policies.fifo import OneAtATime
from loadtest.simulate.policies.preferred import PreferredSizes
from streams.policy.batching import Scheduler
from streams.policy.fill import Caps

BATCH_WAIT_S = 0.005
"""As in infra/settings.py."""


def darkroom(caps: Caps) -> Contender:
    """The code that production runs."""
    return Scheduler(caps, batch_wait_s=BATCH_WAIT_S)


POLICIES: Mapping[str, Callable[[Caps], Contender]] = {
    "darkroom": darkroom,
    "fifo": OneAtATime,
    "window": PreferredSizes,
    "buckets": ShapeBuckets,
    "deadline": EarliestDeadline,
}
FLOOR = ("fifo", "window")
"""The score's zero is the better of these."""
