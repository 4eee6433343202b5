"""What the scheduler knows of the workers: who owns which partition, and who has room for another batch.

Nothing here is remembered across a crash: a partition's end is in Kafka, and how far its owner got is in its reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from contracts.work import WorkerReport
from streams.policy.memory import allowance

SILENT_S = 5.0
"""A worker reports every second: one that missed five is taken for dead."""


@dataclass(kw_only=True, slots=True, eq=False)
class Worker:
    """One worker as it last reported, and what was sent to it since."""

    report: WorkerReport
    seen: float
    """When the report came in, on the scheduler's clock: no worker's clock decides who lives."""
    warmth: dict[str, int]
    """Models it can run, to their place in its report: loaded ones come first."""
    owned: list[int] = field(default_factory=list)
    """Partitions that it owns, as far as nobody with a newer claim does."""
    outstanding: int = 0
    """Batches written to its partitions and not finished."""
    served: int = 0
    """Grows with every batch in the pool: who got one longest ago goes first."""

    @property
    def name(self) -> str:
        return self.report.worker

    def has_room(self) -> bool:
        """Whether it takes another batch. One without a partition has no way to get any."""
        return self.outstanding < self.report.slots and bool(self.owned)

    def limit(self, key: str, now: float) -> float:
        """The largest batch of this key that its device is trusted with."""
        squeezed = self.report.squeezed.get(key)
        return inf if squeezed is None else allowance(squeezed, now - self.seen)


class Workers:
    """All workers of a pool."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._silent_at = inf
        """When the first of them will have been silent for too long."""
        self._ends: dict[int, int] = {}
        self._pending: dict[int, int] = {}
        self._served = 0

    def report(self, report: WorkerReport, now: float) -> None:
        """A worker said something of itself."""
        known = self._workers.get(report.worker)
        if known is not None and _claims_alike(known.report, report):
            known.report, known.seen, known.warmth = report, now, _warmth(report)
            self._count(known)
            return
        self._workers.pop(report.worker, None)
        if not report.leaving:
            served = known.served if known else 0
            worker = Worker(report=report, seen=now, warmth=_warmth(report), served=served)
            self._workers[report.worker] = worker
        self._forget_silent(now)
        self._recount()

    def ended(self, partition: int, end: int) -> None:
        """The end offset of a partition was learned."""
        self._ends[partition] = max(end, self._ends.get(partition, 0))
        self._recount()

    def free(self, now: float) -> list[Worker]:
        """Live workers with room."""
        self._look_for_dead(now)
        return [worker for worker in self._workers.values() if worker.has_room()]

    def live(self, now: float) -> int:
        """How many are alive."""
        self._look_for_dead(now)
        return len(self._workers)

    def models(self, now: float) -> set[str]:
        """Models that some live worker can run."""
        self._look_for_dead(now)
        return set().union(*(worker.warmth for worker in self._workers.values()))

    def reserve(self, worker: Worker) -> int:
        """A batch is about to be sent: the partition it goes to, the emptiest that the worker owns."""
        owned = worker.owned
        partition = owned[0] if len(owned) == 1 else min(owned, key=lambda one: (self._in(worker, one), one))
        self._pending[partition] = self._pending.get(partition, 0) + 1
        self._served += 1
        worker.outstanding, worker.served = worker.outstanding + 1, self._served
        return partition

    def sent(self, partition: int, offset: int) -> None:
        """The batch is in its partition."""
        self._pending[partition] -= 1
        if offset == self._ends.get(partition):
            self._ends[partition] += 1  # pending became written: every count stays as it is
        else:
            self.ended(partition, offset + 1)

    def unsent(self, partition: int) -> None:
        """The batch was not written after all."""
        self._pending[partition] -= 1
        self._recount()

    def _in(self, worker: Worker, partition: int) -> int:
        """Batches in one partition that its owner has not finished."""
        position = worker.report.positions[partition]
        return max(0, self._ends.get(partition, 0) - position) + self._pending.get(partition, 0)

    def _look_for_dead(self, now: float) -> None:
        if now > self._silent_at:
            self._forget_silent(now)
            self._recount()

    def _forget_silent(self, now: float) -> None:
        # With the worker goes its claim, which would outlive it where the generations of its group start over.
        self._workers = {name: one for name, one in self._workers.items() if now <= one.seen + SILENT_S}
        self._silent_at = min((one.seen + SILENT_S for one in self._workers.values()), default=inf)

    def _recount(self) -> None:
        owners = self._owners(self._workers.values())
        for worker in self._workers.values():
            worker.owned = [one for one in worker.report.positions if owners[one] is worker]
            self._count(worker)

    def _count(self, worker: Worker) -> None:
        worker.outstanding = sum(self._in(worker, one) for one in worker.owned)

    def _owners(self, workers: Iterable[Worker]) -> dict[int, Worker]:
        """Each partition's newest claim, by group generation, then by time."""
        owners: dict[int, Worker] = {}
        for worker in sorted(workers, key=lambda one: (one.report.generation, one.report.at)):
            owners.update(dict.fromkeys(worker.report.positions, worker))
        return owners


def _claims_alike(old: WorkerReport, new: WorkerReport) -> bool:
    """Whether nothing changed about who owns what: true of nearly all reports."""
    same = old.generation == new.generation and old.positions.keys() == new.positions.keys()
    return same and not new.leaving


def _warmth(report: WorkerReport) -> dict[str, int]:
    return {model: place for place, model in enumerate(report.models)}
