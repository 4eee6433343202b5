"""Whether it pays that the only job of its key keeps an idle worker waiting for another like it.

Waiting costs a second a second. It gains what two in one batch save over one after the other, as soon as another comes. So
it pays where others of the key come more often than once in the time that company saves, and no longer than that time.
"""

from __future__ import annotations

from streams.policy.cost import Costs, work_of
from streams.policy.demand import start_by
from streams.policy.recall import Recall
from streams.policy.waiting import Waiting

KEYS = 4096
"""Keys of which it is remembered how often their jobs come."""

FADE = 0.8
"""What a batch counts once the key had another."""


class Company:
    """How often jobs of each key come, by the batches that they left in."""

    def __init__(self) -> None:
        self._left: Recall[str, tuple[float, float, float]] = Recall(KEYS)
        """When the last batch left; jobs in the last few, and the seconds in which they came."""

    def left(self, key: str, jobs: int, now: float) -> None:
        """A batch of so many jobs leaves."""
        last, came, seconds = self._left.get(key, (now, 0.0, 0.0))
        self._left[key] = (now, came * FADE + jobs, seconds * FADE + now - last)

    def rate(self, key: str, now: float) -> float:
        """Jobs/s; 0 of a key that had one batch at most."""
        last, came, seconds = self._left.get(key, (now, 0.0, 0.0))
        return came / (seconds + now - last) if seconds else 0.0

    def worth_s(self, lead: Waiting, costs: Costs, device: str, now: float) -> float:
        """How long to wait for another job, from now on."""
        head = lead.head
        rate = self.rate(lead.key, now)
        if not rate:
            return 0.0
        work = work_of(head.resolved)
        alone, error, _ = costs.estimate(head.model, head.batch_key, work, device)
        together = costs.estimate(head.model, head.batch_key, work.times(2), device).seconds
        saved_s = 2 * alone - together
        if rate * saved_s <= 1:
            return 0.0
        return saved_s if head.deadline is None else min(saved_s, start_by(lead, together / alone * (1 + error)) - now)
