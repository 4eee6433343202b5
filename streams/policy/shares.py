"""What each tenant of a tier has had, and so whose turn it is: the one who had least for its weight.

Every tenant has a clock that runs by the GPU-seconds predicted for its jobs, divided by its weight. Who comes back after a
rest starts at the clock of whoever's turn it is: nobody saves up, and what somebody took too much of stays counted. That
is fair queueing by start times (Goyal and others, 1996), with the guarantee of a deficit round robin and no round to walk.
"""

from __future__ import annotations

from collections.abc import Callable

Weight = Callable[[str], float]
"""A tenant's share against that of others; asked anew each time, as operators change it."""

LEAST_WEIGHT = 1e-3
LEAST_S = 0.001
"""What a job is counted as at least (GPU-seconds): free jobs would never end anybody's turn."""

FADE = 0.99
"""What is left of the largest batch with each batch: one long video does not loosen the rules for ever."""

KEPT = 256
"""Tenants that wait for nothing and are remembered all the same."""


def equal(tenant: str) -> float:
    """Everybody's weight where no weights are known."""
    del tenant
    return 1.0


class Share:
    """One tenant's in one tier."""

    __slots__ = ("lines", "spent", "tenant")

    def __init__(self, tenant: str, spent: float) -> None:
        self.tenant = tenant
        self.spent = spent
        """GPU-seconds by weight, on the tier's clock."""
        self.lines = 0
        """Models for which it waits."""


class Shares:
    """All tenants of a tier."""

    def __init__(self, weight: Weight = equal) -> None:
        self.level = 0.0
        """What whoever's turn it was had had: the clock by which the others are ahead or behind."""
        self.largest = 0.0
        """The largest batch lately (GPU-seconds): as far ahead of its turn as a tenant may get."""
        self._weight = weight
        self._of: dict[str, Share] = {}
        self._sweep_at = 2 * KEPT

    def of(self, tenant: str) -> Share:
        """This tenant's share."""
        share = self._of.get(tenant)
        if share is None:
            self._forget_idle()
            share = self._of[tenant] = Share(tenant, self.level)
        return share

    def welcome(self, share: Share, front: Share | None) -> None:
        """A tenant that waited for nothing wants something. `front`: whose turn it is among those who wait for the same."""
        start = self.level if front is None else min(self.level, front.spent)
        share.spent = max(share.spent, start)

    def turn(self, share: Share) -> None:
        """It is this tenant's turn."""
        self.level = max(self.level, share.spent)

    def expect(self, cost_s: float) -> None:
        """A batch is formed that may become this large."""
        self.largest = max(self.largest * FADE, cost_s)

    def may_run(self, share: Share) -> bool:
        """Whether a tenant whose turn it is not may go all the same: it is ahead by one batch at most."""
        return share.spent <= self.level + self.largest

    def charge(self, share: Share, cost_s: float, *, freely: bool = False) -> float:
        """A job of it goes. Returns what to give back if it does not go after all.

        `freely`: nobody else loses by it, so it is not held against the tenant beyond the batch that it may be ahead.
        """
        paid = max(cost_s, LEAST_S) / max(self._weight(share.tenant), LEAST_WEIGHT)
        if freely:
            paid = min(paid, max(0.0, self.level + self.largest - share.spent))
        share.spent += paid
        return paid

    def _forget_idle(self) -> None:
        if len(self._of) >= self._sweep_at:
            self._of = {name: one for name, one in self._of.items() if one.lines or one.spent > self.level}
            self._sweep_at = 2 * (len(self._of) + KEPT)
