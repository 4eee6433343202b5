"""Fixed window with preferred sizes, as in Triton's dynamic batcher (triton-inference-server/core, dynamic_batch_scheduler.cc).

One queue a model, by priority level and then by age. From its head jobs are taken as long as their shapes are equal; the
largest preferred size among them leaves at once. With less than a preferred size the batch waits until its oldest job is
`DELAY_S` old and then leaves as large as it may be. A shape that differs from the head's ends the batch, which then leaves
as it is: Triton does not look behind it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from contracts.events import TIERS, Tier
from loadtest.simulate.policies.baseline import Baseline
from streams.policy.fill import Caps
from streams.policy.waiting import Waiting

DELAY_S = 0.05
"""`max_queue_delay_microseconds`: a tenth of a usual run. Triton's manual advises to grow it until latency is at its limit."""

PREFERRED = (0.5, 1.0)
"""Preferred sizes, as shares of the largest batch: 4 and 8 pictures of the default size."""


class PreferredSizes(Baseline):
    """Triton's tiers are its priority levels; it knows no tenants."""

    def __init__(self, caps: Caps) -> None:
        super().__init__(caps, _Batchers(caps))


class _Batcher:
    """One model's queue."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._levels: dict[Tier, OrderedDict[tuple[str, str], Waiting]] = {tier: OrderedDict() for tier in TIERS}

    def jobs(self) -> Iterator[Waiting]:
        return (job for level in self._levels.values() for job in level.values())

    def add(self, job: Waiting) -> None:
        self._levels[job.tier][job.name] = job

    def drop(self, job: Waiting) -> None:
        del self._levels[job.tier][job.name]

    def oldest(self) -> float:
        """When the oldest job of any level came."""
        return min((next(iter(level.values())).arrived for level in self._levels.values() if level), default=float("inf"))

    def pending(self, now: float) -> list[Waiting]:
        """What leaves now; empty: it waits for company."""
        batch: list[Waiting] = []
        size, best, closed = 0.0, 0, False
        for job in self.jobs():
            most = self._caps.limit(job.head)
            if batch and (job.key != batch[0].key or size + job.weight > most):
                closed = True
                break
            batch.append(job)
            size += job.weight
            if any(abs(size - share * most) < 1e-9 for share in PREFERRED):
                best = len(batch)
        if best and now < self.oldest() + DELAY_S:
            return batch[:best]
        return batch if closed or now >= self.oldest() + DELAY_S else []


class _Batchers:
    """One for each model; the one that has waited longest goes first."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._models: dict[str, _Batcher] = {}

    def add(self, job: Waiting) -> None:
        self._models.setdefault(job.head.model, _Batcher(self._caps)).add(job)

    def drop(self, job: Waiting) -> None:
        self._models[job.head.model].drop(job)

    def next_batch(self, now: float) -> Sequence[Waiting]:
        for batcher in sorted(self._models.values(), key=_Batcher.oldest):
            batch = batcher.pending(now)
            if batch:
                return batch
        return []

    def wake_at(self) -> float | None:
        oldest = min((one.oldest() for one in self._models.values()), default=float("inf"))
        return oldest + DELAY_S if oldest < float("inf") else None
