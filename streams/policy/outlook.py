"""What one admitter can say of the jobs that it lets in: the last state of each pool, and what it let in since then."""

from __future__ import annotations

from contracts.events import Tier
from contracts.pools import PoolState
from streams.policy.eta import Eta, Front
from streams.policy.pool import NONE, NOTHING, Pool, Since, look

SLICE_S = 0.25
"""What is let in within so long is counted together (seconds)."""

SAME_S = 0.1
"""What comes within so long is forecast as of one moment: most of what a forecast costs is to look at the pool (seconds)."""

LOST_S = 5.0
"""After so long a state has what was let in before it, or never will: it was cancelled, or is not in the window."""

STALE_S = 30.0
"""A pool of which nothing was told for so long has no scheduler, and nobody knows when it will (seconds)."""


class Outlook:
    """Of all pools."""

    def __init__(self) -> None:
        self._states: dict[str, PoolState] = {}
        self._since: dict[str, dict[Tier, list[_Slice]]] = {}
        self._chunk: Chunk | None = None

    def learn(self, state: PoolState) -> None:
        """A scheduler said how its pool is."""
        self._states[state.pool] = state
        self._chunk = None
        for tier, slices in self._since.get(state.pool, {}).items():
            seen_at = max(state.tiers.get(tier, NOTHING).seen_at, state.at - LOST_S)
            slices[:] = [one for one in slices if one.until > seen_at]

    def chunk(self, now: float) -> Chunk:
        """For jobs that come together, or nearly so."""
        if self._chunk is None or not 0 <= now - self._chunk.now <= SAME_S:
            self._chunk = Chunk(self._states, self._since, now)
        return self._chunk


def alive(state: PoolState | None, now: float) -> PoolState | None:
    """The state, if it is of now and somebody works there."""
    return state if state is not None and now <= state.at + STALE_S and state.workers else None


class _Slice(Since):
    __slots__ = ("since", "until")

    def __init__(self, now: float) -> None:
        super().__init__()
        self.since = self.until = now


class Chunk:
    """Jobs that are let in at one moment: each goes behind those of its tenant before it."""

    def __init__(self, states: dict[str, PoolState], since: dict[str, dict[Tier, list[_Slice]]], now: float) -> None:
        self._states, self._since, self.now = states, since, now
        self._fronts: dict[tuple[str, Tier, str], tuple[Front, Since]] = {}
        self._pools: dict[tuple[str, Tier], tuple[Pool, Since]] = {}

    def forecast(self, pool: str, tier: Tier, tenant: str, price_s: float, model: str, parked_s: float = 0.0) -> Eta | None:
        """Of a job that is let in now, which counts from then on; None: nobody said how the pool is.

        One that is parked first does not count, and nothing is learned from it: who knows what it will meet.
        """
        found = self._fronts.get((pool, tier, tenant)) or self._front(pool, tier, tenant)
        if found is None:
            return None
        front, fresh = found
        if parked_s:
            return front.peek(price_s, model).after(parked_s)
        fresh.add(tenant, 1, price_s)
        return front.forecast(price_s, model)

    def _front(self, pool: str, tier: Tier, tenant: str) -> tuple[Front, Since] | None:
        state = alive(self._states.get(pool), self.now)
        if state is None:
            return None
        known = self._pools.get((pool, tier)) or self._look(state, tier)
        found = self._fronts[pool, tier, tenant] = Front(state, tier, tenant, *known), self._slice(pool, tier)
        return found

    def _look(self, state: PoolState, tier: Tier) -> tuple[Pool, Since]:
        since = {of: _together(slices) for of, slices in self._since.get(state.pool, {}).items()}
        found = self._pools[state.pool, tier] = look(state, tier, since, self.now), since.get(tier, NONE)
        return found

    def _slice(self, pool: str, tier: Tier) -> _Slice:
        slices = self._since.setdefault(pool, {}).setdefault(tier, [])
        if not slices or self.now > slices[-1].since + SLICE_S:
            slices.append(_Slice(self.now))
        slices[-1].until = self.now
        return slices[-1]


def _together(slices: list[_Slice]) -> Since:
    total = Since()
    for one in slices:
        for tenant, (jobs, gpu_s) in one.tenants.items():
            total.add(tenant, jobs, gpu_s)
    return total
