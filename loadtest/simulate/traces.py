"""The traces. Each is the same for the same seed.

What is known of real traffic is taken from GenTD26, Alibaba's trace of a Stable Diffusion service (alibaba/clusterdata,
cluster-trace-v2026-GenAI; 26,823 requests of 4,247 users in 24 days), as counted in its `lora_request_trace.csv` and `qps.csv`:
pictures a request, steps, how skewed models and users are, how the hour of the day shows, and that within an hour arrivals
are as good as random (coefficient of variation 1.02 in the median of the 93 hours with 100 requests or more).

Rates and pools are scaled so that a trace is through in seconds of computing: 4 to 16 workers, about 10,000 jobs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from contracts.events import Tier
from contracts.work import Resolved
from loadtest.simulate.fleet import asked, base, turbo
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.truth import Model

PICTURES = ((1, 0.579), (2, 0.082), (4, 0.191), (8, 0.148))
"""Of a request in GenTD26."""

STEPS = ((30, 0.912), (40, 0.055), (50, 0.008), (25, 0.010), (20, 0.005), (60, 0.004), (100, 0.006))
"""Likewise; the sizes next to these are counted with them."""

MODELS = (0.307, 0.150, 0.094, 0.079, 0.075, 0.043, 0.036, 0.030)
"""Requests of the eight models used most, of 87."""

HOURS = (3.43, 0.98, 1.05, 1.08, 0.60, 0.32, 0.30, 0.23, 0.11, 0.04, 0.03, 0.02) + (
    (0.02, 0.02, 0.02, 0.04, 0.57, 2.10, 2.48, 0.56, 0.98, 2.97, 2.97, 3.16)
)
"""Requests in each hour of the day, as shares of the mean; the four empty hours get the least of the others."""

TENANTS = 40
SKEW = 1.0
"""Zipf's exponent: with 40 tenants the first tenth of them sends 49 % of the requests; in GenTD26 it is 57 %."""

TIER_SHARE: Sequence[tuple[Tier, float]] = (("paid", 0.2), ("urgent", 0.1), ("ordinary", 0.7))
GOALS: Mapping[Tier, tuple[float, float]] = {"paid": (3.0, 1.0), "urgent": (4.0, 2.0), "ordinary": (8.0, 5.0)}
"""A job's latency goal: so many times what it takes alone, plus so many seconds."""


class Draw:
    """Random choices of one trace."""

    def __init__(self, name: str, seed: int) -> None:
        self.random = random.Random(f"{name}/{seed}")
        self._tenants = [1 / (rank + 1) ** SKEW for rank in range(TENANTS)]

    def pick(self, choices: Sequence[tuple[int, float]]) -> int:
        """One of these, by their shares."""
        return self.random.choices([one for one, _ in choices], [share for _, share in choices])[0]

    def tier(self) -> Tier:
        """By their shares."""
        return self.random.choices([one for one, _ in TIER_SHARE], [share for _, share in TIER_SHARE])[0]

    def tenant(self) -> str:
        """Few send much."""
        return f"tenant-{self.random.choices(range(TENANTS), self._tenants)[0]}"

    def times(self, rate: Callable[[float], float], peak: float, until: float) -> Iterator[float]:
        """Random arrivals at a rate that changes with time (jobs/s, at most `peak`), by thinning."""
        at = 0.0
        while (at := at + self.random.expovariate(peak)) < until:
            if self.random.random() < rate(at) / peak:
                yield at

    def item(self, at: float, model: Model, resolved: Resolved, *, tenant: str = "", tight: float = 1.0) -> Item:
        """A job of some tier, with the goal that goes with it."""
        tier = self.tier()
        times, plus = GOALS[tier]
        goal = tight * (times * model.alone_s(resolved) + plus)
        who = tenant or self.tenant()
        return Item(at=round(at, 6), tenant=who, tier=tier, model=model.spec.ref, resolved=resolved, goal_s=round(goal, 6))


def _constant(rate: float) -> Callable[[float], float]:
    return lambda _: rate


def steady(seed: int) -> Scenario:
    """One model at three sizes, a rate that needs batching: one at a time, 4 workers could do 70 % of it."""
    draw, model = Draw("steady", seed), base()
    items = []
    for at in draw.times(_constant(8.0), 8.0, 900):
        side = draw.pick(((512, 0.7), (768, 0.2), (1024, 0.1)))
        items.append(draw.item(at, model, asked(model, side=side)))
    return Scenario(name="steady", about="one rate, three sizes", items=items, models=(model,), workers=4, seed=seed)


def burst(seed: int) -> Scenario:
    """100 jobs/s, for 8 s 1,000, then 100 again: small pictures, 16 workers."""
    draw, model = Draw("burst", seed), turbo()
    times = draw.times(lambda at: 1000.0 if 10 <= at < 18 else 100.0, 1000.0, 40)
    items = [draw.item(at, model, asked(model, side=draw.pick(((512, 0.8), (768, 0.2))))) for at in times]
    return Scenario(name="burst", about="100 → 1,000 jobs/s for 8 s", items=items, models=(model,), workers=16, seed=seed)


TRACES: Mapping[str, Callable[[int], Scenario]] = {"steady": steady, "burst": burst}
