"""When a job may be done, and how many go before it: from what the scheduler says of its pool, by the scheduler's own rules.

All work is in GPU-seconds of jobs run alone; batching makes a pool faster than its workers are many.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.events import TIERS, Tier
from contracts.pools import PoolState
from streams.policy.calibrate import AT_FIRST, band_for
from streams.policy.floor import FLOOR
from streams.policy.pool import NONE, NOTHING, Pool, Rival, Since, come, rivals

WAY_S = 0.08
"""From admission to the scheduler, to the worker, and from the last step to the result (seconds)."""

GRAIN_S = 0.01
"""No interval pretends to know it better than this (seconds): where jobs take equally long all would pass a bound, or none."""

AHEAD = 1.3
"""How far a straight line is trusted."""

ROUNDS = 8
NEAR = 1.03
"""What comes while a job waits makes it wait longer: so often that is followed, or until it adds less than 3 %."""

MOST = 3.0
"""How many times more than lately may be usual: after a lull it would be any number."""


class Eta(NamedTuple):
    """A forecast (seconds from now to the result)."""

    position: int
    """Jobs that go before."""
    raw_s: float
    """Before it was corrected by how forecasts turned out; 0: not one to learn from."""
    eta_s: float
    low_s: float
    high_s: float
    """Four of five jobs are done between these."""

    def after(self, seconds: float) -> Eta:
        """Of a job that begins to queue only then."""
        return Eta(self.position, 0.0, self.eta_s + seconds, self.low_s + seconds, self.high_s + seconds)


class _Line(NamedTuple):
    """A wait that grows with what the job's tenant has."""

    at: float
    until: float
    wait_s: float
    more_s: float
    jobs: float
    more_jobs: float


class Front:
    """What goes before the jobs of one tenant in one tier.

    All of the more important tiers, what the tenant has, and of every other tenant of the tier as much as that, by weight.
    What comes while a job waits counts, too.
    """

    def __init__(self, state: PoolState, tier: Tier, tenant: str, pool: Pool, fresh: Since = NONE) -> None:
        """`pool`: how it is for this tier by now; `fresh`: what was let in there since the state was told."""
        self._bands = state.bands
        self._known = state.models
        self._pool = pool
        here = state.tiers.get(tier, NOTHING)
        higher = [state.tiers.get(one, NOTHING) for one in TIERS[: TIERS.index(tier)]]
        self._higher = sum(one.coming for one in higher), sum(one.usual for one in higher)
        self._usual = min(MOST, here.usual / here.coming) if here.coming else 0.0
        own = next((one for one in here.tenants if one.tenant == tenant), None)
        jobs, gpu_s = fresh.tenants.get(tenant, (0, 0.0))
        self._jobs = float(jobs + (own.jobs if own else 0))
        self._gpu_s = gpu_s + (own.gpu_s if own else 0.0)
        self._came = (own.oldest_at, own.newest_at) if own else (state.at, state.at)
        self._rivals: list[Rival] = rivals(here, fresh, tenant, own.weight if own else 1.0)
        self._line: _Line | None = None
        self._models: dict[str, tuple[float, float]] = {}
        self._band, self._from_s, self._to_s = AT_FIRST, 0.0, 0.0

    def since(self, admitted_at: float) -> Front:
        """Of a job that has waited since then: what its tenant has came evenly, and only what came before goes before."""
        oldest_at, newest_at = self._came
        if admitted_at >= newest_at:
            return self
        part = (admitted_at - oldest_at) / (newest_at - oldest_at) if admitted_at > oldest_at else 0.0
        self._jobs, self._gpu_s = part * self._jobs, part * self._gpu_s
        return self

    def forecast(self, price_s: float, model: str) -> Eta:
        """Of a job of this price that comes now, and stays."""
        eta = self.peek(price_s, model)
        self._jobs, self._gpu_s = self._jobs + 1, self._gpu_s + price_s
        return eta

    def peek(self, price_s: float, model: str) -> Eta:
        """Of a job of this price, if it came now."""
        upto, line = self._gpu_s + price_s, self._line
        if line is None or not line.at <= upto <= line.until:
            # Of many tenants only one job comes at a time.
            line = self._line = self._draw(upto, AHEAD if line else 1.0)
        more = upto - line.at
        least_s, load_s = self._models.get(model) or self._of_model(model)
        raw_s = max(line.wait_s + line.more_s * more, least_s) + load_s + price_s * self._pool.longer + WAY_S
        if not self._from_s <= raw_s < self._to_s:
            self._band, self._from_s, self._to_s = band_for(self._bands, raw_s)
        band = self._band
        low_s, high_s = max(0.0, raw_s * band.low - GRAIN_S), raw_s * band.high + GRAIN_S
        return Eta(round(line.jobs + line.more_jobs * more), raw_s, raw_s * band.middle, low_s, high_s)

    def _draw(self, upto: float, ahead: float) -> _Line:
        """A straight line is near enough for the next jobs, and they are many."""
        wait_s, jobs = self._wait(upto)
        until = upto * ahead
        if until <= upto:
            return _Line(upto, upto, wait_s, 0.0, jobs, 0.0)
        then_s, then = self._wait(until)
        return _Line(upto, until, wait_s, (then_s - wait_s) / (until - upto), jobs, (then - jobs) / (until - upto))

    def _wait(self, upto: float) -> tuple[float, float]:
        """Seconds, and jobs that are there by now and go before, of one up to which its tenant has so much."""
        pool = self._pool
        mine_s, level = self._gpu_s * pool.left, max(upto * pool.left, upto - self._gpu_s)
        shares = [(one.gpu_s * pool.left, one.coming, level * one.weight) for one in self._rivals]
        fixed_s = mine_s + sum(min(there, share) for there, coming, share in shares if not coming or there >= share)
        growing = [one for one in shares if one[1] and one[0] < one[2]]
        higher_s = pool.above[1]
        wait_s = (higher_s + fixed_s) / pool.speed
        for _ in range(ROUNDS):
            more = come(wait_s, 1.0, self._usual)
            here_s = fixed_s + sum([min(there + coming * more, share) for there, coming, share in growing])
            before, wait_s = wait_s, min(here_s / FLOOR, higher_s + come(wait_s, *self._higher) + here_s) / pool.speed
            if wait_s <= before * NEAR:
                break
        others = sum(one.jobs * min(pool.left, level * one.weight / max(one.gpu_s, 1e-9)) for one in self._rivals)
        return wait_s + pool.begin_s, pool.above[0] + self._jobs * pool.left + others

    def _of_model(self, model: str) -> tuple[float, float]:
        """The least wait for a worker that holds it, and what loading it takes if none does."""
        known, pool = self._known.get(model), self._pool
        if known is None:
            found = 0.0, 0.0
        elif not known.holders:
            found = 0.0, known.load_s
        else:
            found = min(known.gpu_s, pool.before_s) / (known.holders * pool.gain), 0.0
        self._models[model] = found
        return found
