"""Shape buckets with deficit round robin and a compute budget: vLLM-Omni's rule (vllm-project/vllm-omni, pull request 3860).

One queue a shape. Which shape goes next: they are visited in turn, cheapest first, and each visit adds to a shape's deficit
its share of the last arrivals × cost of the cheapest ÷ its own cost; the first that reaches 1 goes, and pays 1. How many: as
many as the compute budget holds, which is what batching stops paying at for the reference shape, divided by the shape's own
units (latent patches × guidance), rounded up; first in, first out. No tiers, no tenants, no deadlines.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from math import ceil

from loadtest.simulate.policies.baseline import Baseline
from streams.policy.fill import Caps
from streams.policy.waiting import Waiting

ARRIVALS = 1024
"""Arrivals that the shares are taken from: vLLM-Omni's default."""

ROUNDS = 10_000
"""Visits of all queues in one decision. vLLM-Omni answers none after one visit and is asked again at once."""


class ShapeBuckets(Baseline):
    """Its budget is the catalogue's cap: the same number of default pictures that Darkroom may put in a batch."""

    def __init__(self, caps: Caps) -> None:
        super().__init__(caps, _Keyed(caps))


class _Keyed:
    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._queues: dict[str, OrderedDict[tuple[str, str], Waiting]] = {}
        self._deficits: dict[str, float] = {}
        self._window: deque[str] = deque()
        self._arrivals: dict[str, int] = {}
        self._cursor: int | None = None

    def add(self, job: Waiting) -> None:
        self._queues.setdefault(job.key, OrderedDict())[job.name] = job
        self._window.append(job.key)
        self._arrivals[job.key] = self._arrivals.get(job.key, 0) + 1
        if len(self._window) > ARRIVALS:
            self._arrivals[self._window.popleft()] -= 1

    def drop(self, job: Waiting) -> None:
        queue = self._queues[job.key]
        del queue[job.name]
        if not queue:
            del self._queues[job.key]

    def next_batch(self, now: float) -> Sequence[Waiting]:  # noqa: ARG002 - other orders look at the time
        if not self._queues:
            return []
        costs = {key: _units(next(iter(queue.values()))) for key, queue in self._queues.items()}
        return self._batch(self._turn(sorted(costs, key=lambda key: (costs[key], key)), costs))

    def wake_at(self) -> float | None:
        return None

    def _turn(self, keys: Sequence[str], costs: dict[str, float]) -> str:
        if self._cursor is None:
            self._cursor = 1 % len(keys)
            return keys[0]
        least, arrivals = costs[keys[0]], sum(self._arrivals.get(key, 0) for key in keys)
        for visit in range(ROUNDS * len(keys)):
            place = (self._cursor + visit) % len(keys)
            key = keys[place]
            share = self._arrivals.get(key, 0) / arrivals if arrivals else 1 / len(keys)
            self._deficits[key] = self._deficits.get(key, 0.0) + share * least / costs[key]
            if self._deficits[key] >= 1.0:
                self._deficits[key] -= 1.0
                self._cursor = (place + 1) % len(keys)
                return key
        return keys[self._cursor % len(keys)]

    def _batch(self, key: str) -> list[Waiting]:
        """By count: vLLM-Omni's requests are one picture each; a job of n pictures counts as n of them."""
        batch: list[Waiting] = []
        taken = 0.0
        for job in self._queues[key].values():
            most = ceil(self._caps.limit(job.head) / (job.weight / job.head.resolved.count))
            if batch and taken + job.head.resolved.count > most:
                break
            batch.append(job)
            taken += job.head.resolved.count
        return batch


def _units(job: Waiting) -> float:
    """Compute units of one request: latent patches of 16 × 16 pixels, frames, and twice that with guidance."""
    asked = job.head.resolved
    return max(1.0, asked.width / 16 * asked.height / 16 * asked.frames * (2 if asked.guidance > 1 else 1))
