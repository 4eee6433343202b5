"""Who competes: the production scheduler and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loadtest.simulate.contender import Contender
from loadtest.simulate.policies.buckets import ShapeBuckets
from loadtest.simulate.policies.deadline import EarliestDeadline
from loadtest.simulate.policies.fifo import OneAtATime
from loadtest.simulate.policies.preferred import PreferredSizes
from streams.policy.batching import Scheduler
from streams.policy.cost import Costs
from streams.policy.fill import Caps

BATCH_WAIT_S = 0.005
"""As in infra/settings.py."""


def darkroom(caps: Caps, costs: Costs) -> Contender:
    """The code that production runs."""
    return Scheduler(caps, batch_wait_s=BATCH_WAIT_S, costs=costs)


OURS = "darkroom"
POLICIES: Mapping[str, Callable[[Caps, Costs], Contender]] = {
    OURS: darkroom,
    "fifo": lambda caps, _: OneAtATime(caps),
    "window": lambda caps, _: PreferredSizes(caps),
    "buckets": lambda caps, _: ShapeBuckets(caps),
    "deadline": lambda caps, _: EarliestDeadline(caps),
}
FLOOR = ("fifo", "window")
"""The score's zero is the better of these."""
