"""When to go by slack instead of by tier and turn: while that meets every deadline, and the usual order might not.

Tier and turn say who is given up where not all can be had. Where all can be had nobody is, and then whoever has time gives
way to who has none, in any tier and of any tenant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.events import TIERS

if TYPE_CHECKING:
    from streams.policy.window import Window

LOOK_S = 0.05
"""How long an answer holds: a look costs as much as a few decisions."""

LATELY = 0.05
"""Weight of the newest batch in what is known of batches."""

DOUBT = 2.0
"""Times what waits now that may have gone before a job is reached, as more comes meanwhile."""

AT_HAND = 2
"""Jobs a worker: fewer are no backlog."""


class Rush:
    """One pool's."""

    def __init__(self) -> None:
        self._on = False
        self._looked_at = float("-inf")
        self._gain = 1.0
        """What a job takes in company of what it takes alone, lately."""
        self._batch_s = 0.0
        """What a batch takes."""

    def ran(self, seconds: float, alone_s: float) -> None:
        """A batch was formed. `alone_s`: what its jobs would take one after the other."""
        self._gain += LATELY * (min(1.0, seconds / alone_s if alone_s else 1.0) - self._gain)
        self._batch_s += (LATELY if self._batch_s else 1.0) * (seconds - self._batch_s)

    def on(self, window: Window, workers: int, now: float) -> bool:
        """Whether to go by slack now."""
        if now >= self._looked_at + LOOK_S or now < self._looked_at:
            self._looked_at, self._on = now, self._look(window, max(1, workers), now)
        return self._on

    def _look(self, window: Window, workers: int, now: float) -> bool:
        drained_s = sum(window.price.values()) * self._gain / workers
        if not window.demand.presses(now, now + DOUBT * drained_s + self._batch_s):
            return False
        if _one_crowds_out_all(window, AT_HAND * workers):
            return False
        return window.demand.can_be_met(now, workers=workers, gain=self._gain, begun_s=self._batch_s)


def _one_crowds_out_all(window: Window, few: int) -> bool:
    """Whether a tenant has more waiting than all others of its tier together.

    That one waits for its turn: else others would have to wait for what it sent too much of as long as their goals allow.
    """
    for tier in TIERS:
        most = max(window.held[tier].values(), default=0)
        if most > few and most < window.load[tier] < 2 * most:
            return True
    return False
