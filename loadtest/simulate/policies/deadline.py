"""Earliest deadline first; the batch is filled with the next deadlines of the same key. No tiers, no tenants."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from loadtest.simulate.policies.baseline import Baseline
from streams.policy.fill import Caps
from streams.policy.waiting import Waiting

Entry = tuple[float, int, Waiting]


class EarliestDeadline(Baseline):
    """Every batch that it makes is led by the job that has to be done first."""

    def __init__(self, caps: Caps) -> None:
        super().__init__(caps, _ByDeadline(caps))


class _ByDeadline:
    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._keys: dict[str, list[Entry]] = {}
        self._here: set[Waiting] = set()

    def add(self, job: Waiting) -> None:
        self._here.add(job)
        heappush(self._keys.setdefault(job.key, []), (job.head.deadline or float("inf"), job.offset, job))

    def drop(self, job: Waiting) -> None:
        self._here.remove(job)

    def next_batch(self, now: float) -> Sequence[Waiting]:  # noqa: ARG002 - other orders look at the time
        fronts = [(entry[0], entry[1], key) for key in list(self._keys) if (entry := self._front(key)) is not None]
        return self._batch(min(fronts)[2]) if fronts else []

    def wake_at(self) -> float | None:
        return None

    def _front(self, key: str) -> Entry | None:
        heap = self._keys[key]
        while heap and heap[0][2] not in self._here:
            heappop(heap)
        if not heap:
            del self._keys[key]
            return None
        return heap[0]

    def _batch(self, key: str) -> list[Waiting]:
        batch: list[Waiting] = []
        passed: list[Entry] = []
        room = self._caps.limit(self._keys[key][0][2].head)
        while (entry := self._front(key) if key in self._keys else None) is not None:
            job = entry[2]
            if batch and job.weight > room:
                break
            passed.append(heappop(self._keys[key]))
            batch.append(job)
            room -= job.weight
        # They are here until they are dropped, and whoever asks again is to get the same answer.
        for entry in passed:
            heappush(self._keys.setdefault(key, []), entry)
        return batch
