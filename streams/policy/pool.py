"""A pool as it must be by now: what its scheduler said of it last, what was let in since then, less what was done since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.events import TIERS, Tier
from contracts.pools import PoolState, TierQueue

SOON_S = 5.0
"""For so long what comes is taken to go on as it did lately."""

NOTHING = TierQueue()

Amount = tuple[float, float]
"""Jobs and GPU-seconds."""


class Since:
    """What was let in after the last state that is known, of one tier."""

    __slots__ = ("gpu_s", "jobs", "tenants")

    def __init__(self) -> None:
        self.jobs = 0
        self.gpu_s = 0.0
        self.tenants: dict[str, tuple[int, float]] = {}
        """Jobs and GPU-seconds of each."""

    def add(self, tenant: str, jobs: int, gpu_s: float) -> None:
        """So much more."""
        self.jobs += jobs
        self.gpu_s += gpu_s
        had = self.tenants.get(tenant, (0, 0.0))
        self.tenants[tenant] = had[0] + jobs, had[1] + gpu_s


NONE = Since()


class Rival(NamedTuple):
    """Another tenant of the tier."""

    jobs: float
    gpu_s: float
    coming: float
    """GPU-seconds a second."""
    weight: float
    """Against that of whoever asks."""


class Pool(NamedTuple):
    """For jobs of one tier."""

    above: Amount
    """What waits in more important tiers."""
    left: float
    """Part of what is known to wait in this tier that was not done since."""
    before_s: float
    """GPU-seconds that were known to wait here and above."""
    longer: float
    """How many times longer than a job alone a batch takes."""
    gain: float
    """GPU-seconds of jobs that a worker gets through in a second."""
    speed: float
    """The same of all workers."""
    begin_s: float
    """Until a worker has time (seconds)."""


def look(state: PoolState, tier: Tier, since: Mapping[Tier, Since], now: float) -> Pool:
    """At this moment."""
    workers, age_s = max(1, state.workers), max(0.0, now - state.at)
    every = {one: _known(state, since, one) for one in TIERS}
    everything, above, here = _sum(every.values()), _sum(every[one] for one in TIERS[: TIERS.index(tier)]), every[tier]
    done_s = workers * _batch(state, everything[0] / workers)[1] * max(0.0, age_s - state.busy_s)
    waiting = _less(everything, done_s)
    longer, gain = _batch(state, waiting[0] / workers)
    return Pool(
        above=_less(above, done_s),
        left=_less(here, done_s - above[1])[1] / here[1] if here[1] else 0.0,
        before_s=above[1] + here[1],
        longer=longer,
        gain=gain,
        speed=workers * gain,
        begin_s=_begin(state, waiting, longer, max(0.0, state.busy_s - age_s)),
    )


def rivals(here: TierQueue, fresh: Since, tenant: str, weight: float) -> list[Rival]:
    """All tenants of a tier but this one; those who were not named are one together."""
    named = here.tenants
    others = {one.tenant: Rival(one.jobs, one.gpu_s, one.coming, one.weight / weight) for one in named}
    for name, (jobs, gpu_s) in fresh.tenants.items():
        had = others.get(name, Rival(0, 0.0, 0.0, 1 / weight))
        others[name] = had._replace(jobs=had.jobs + jobs, gpu_s=had.gpu_s + gpu_s)
    others.pop(tenant, None)
    jobs, gpu_s = here.jobs - sum(one.jobs for one in named), here.gpu_s - sum(one.gpu_s for one in named)
    coming = max(0.0, here.coming - sum(one.coming for one in named))
    rest = [Rival(jobs, gpu_s, coming, jobs / weight)] if jobs > 0 else []
    return [*others.values(), *rest]


def come(wait_s: float, coming: float, usual: float) -> float:
    """What comes in so long: as lately for a while, then as usual."""
    return coming * min(wait_s, SOON_S) + usual * max(0.0, wait_s - SOON_S)


def _known(state: PoolState, since: Mapping[Tier, Since], tier: Tier) -> Amount:
    here, fresh = state.tiers.get(tier, NOTHING), since.get(tier, NONE)
    return here.jobs + fresh.jobs, here.gpu_s + fresh.gpu_s


def _sum(amounts: Iterable[Amount]) -> Amount:
    jobs = gpu_s = 0.0
    for one in amounts:
        jobs, gpu_s = jobs + one[0], gpu_s + one[1]
    return jobs, gpu_s


def _less(amount: Amount, done_s: float) -> Amount:
    """What is left of it when so much of it is done."""
    jobs, gpu_s = amount
    left = max(0.0, 1 - max(0.0, done_s) / gpu_s) if gpu_s else 0.0
    return jobs * left, gpu_s * left


def _batch(state: PoolState, waiting: float) -> tuple[float, float]:
    """How many times longer than one job a batch takes if so many wait for each worker, and what it gains."""
    if state.full <= 1:
        return 1.0, 1.0
    size = min(state.full, 1 + waiting)
    longer = 1 + (state.full / state.gain - 1) / (state.full - 1) * (size - 1)
    return longer, max(1.0, size / longer)


def _begin(state: PoolState, waiting: Amount, longer: float, busy_s: float) -> float:
    if waiting[0] >= 1:
        return max(busy_s, waiting[1] / waiting[0] * longer / 2)
    return 0.0 if state.free else busy_s
