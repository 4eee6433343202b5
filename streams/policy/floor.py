"""Which tier goes next: the most important one that waits, with a floor under the others so that none starves.

A plain age limit ("after two minutes an ordinary job goes first") would let an old backlog of ordinary jobs pass every
new paid one. Here each tier that waits while a more important one is served is owed a small share of the GPU-seconds
spent, and goes first once it is owed what its next job costs: paid work never gives up more than that share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.events import TIERS, Tier

FLOOR = 0.05
"""Share of the GPU-seconds of more important tiers that a tier is owed while it waits."""

LEAST_S = 0.001
"""What a job is counted as at least (GPU-seconds): free jobs would otherwise owe nobody anything."""


class Floor:
    """What each tier is owed (GPU-seconds)."""

    def __init__(self, share: float = FLOOR) -> None:
        self._share = share
        self.owed = dict.fromkeys(TIERS, 0.0)

    def creditors(self) -> Iterator[Tier]:
        """Tiers that are owed something, least important first: who waited behind the most others."""
        return (tier for tier in reversed(TIERS) if self.owed[tier] > 0)

    def covers(self, tier: Tier, price_s: float) -> bool:
        """Whether a job of this price may go out of turn."""
        return self.owed[tier] >= max(price_s, LEAST_S)

    def served(self, tier: Tier, cost_s: float, waiting: Mapping[Tier, int], *, out_of_turn: bool) -> None:
        """A batch led by this tier was formed; `waiting`: jobs that are left, by tier."""
        cost_s = max(cost_s, LEAST_S)
        if out_of_turn:
            self.owed[tier] -= cost_s
        for other in TIERS[TIERS.index(tier) + 1 :]:
            # A tier with nothing to run saves nothing up; what it took too much of stays owed by it.
            self.owed[other] = self.owed[other] + self._share * cost_s if waiting[other] else min(self.owed[other], 0.0)
