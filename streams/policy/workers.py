"""What the scheduler knows of the workers: who owns which partition, and who has room for another batch.

Nothing here is remembered across a crash: a partition's end is in Kafka, and how far its owner got is in its reports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from math import inf

from contracts.work import WorkerReport
from streams.policy.memory import allowance

SILENT_S = 5.0
"""A worker reports every second: one that missed five is taken for dead."""


AHEAD_S = 0.1
"""How long before a worker's batch may end the next is formed: the way through Kafka, several times over. Formed sooner it
would be smaller, and more important jobs that come meanwhile would find it in front of them."""


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
    through_at: float = 0.0
    """When it may be through with them, as predicted."""
    coming: deque[str] = field(default_factory=deque)
    """Models of the batches sent since what it holds was reported last, at most as many as it has."""
    last_s: float = 0.0
    """What the last of them takes at least."""
    served: int = 0
    """Grows with every batch in the pool: who got one longest ago goes first."""

    @property
    def name(self) -> str:
        return self.report.worker

    def has_room(self) -> bool:
        """Whether it takes another batch. One without a partition has no way to get any."""
        return self.outstanding < self.report.slots and bool(self.owned)

    def holds(self, model: str) -> bool:
        """Whether it need not load the model: it is there, or will be before another batch is."""
        held = self.report.held
        return model in self.warmth if held is None else model in held or model in self.coming

    def models(self) -> set[str]:
        """What it holds."""
        return {*(self.report.held or ()), *self.coming}

    def wants_at(self) -> float:
        """When it is to get another batch: at once if it has none, else shortly before it may need one."""
        return self.through_at - AHEAD_S if self.outstanding else -inf

    def begins(self, now: float) -> float:
        """When it may turn to another batch."""
        return max(now, self.through_at) if self.outstanding else now

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
            before = known.outstanding
            self._count(known)
            if known.outstanding < before:
                # The one that is left, if any, begins now.
                known.through_at = now + known.last_s
            while len(known.coming) > known.outstanding:
                known.coming.popleft()
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
        """Live workers with room that are to get a batch now."""
        self._look_for_dead(now)
        return [worker for worker in self._workers.values() if worker.has_room() and worker.wants_at() <= now]

    def all(self) -> Collection[Worker]:
        """Those who were alive when last looked at."""
        return self._workers.values()

    def count(self) -> int:
        """How many these are."""
        return len(self._workers)

    def next_free(self, now: float) -> float | None:
        """When the next of those with room is to get a batch that is not to get one yet."""
        times = (worker.wants_at() for worker in self._workers.values() if worker.has_room())
        return min((at for at in times if at > now), default=None)

    def live(self, now: float) -> int:
        """How many are alive."""
        self._look_for_dead(now)
        return len(self._workers)

    def models(self, now: float) -> set[str]:
        """Models that some live worker can run."""
        self._look_for_dead(now)
        return set().union(*(worker.warmth for worker in self._workers.values()))

    def reserve(self, worker: Worker, *, model: str = "", least_s: float = 0.0, now: float = 0.0) -> int:
        """A batch that runs for this long at least is about to be sent: the partition it goes to, the worker's emptiest."""
        owned = worker.owned
        partition = owned[0] if len(owned) == 1 else min(owned, key=lambda one: (self._in(worker, one), one))
        self._pending[partition] = self._pending.get(partition, 0) + 1
        self._served += 1
        worker.through_at = worker.begins(now) + least_s
        worker.outstanding, worker.served, worker.last_s = worker.outstanding + 1, self._served, least_s
        worker.coming.append(model)
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
        for worker in self._workers.values():
            worker.through_at = 0.0 if partition in worker.owned else worker.through_at

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
