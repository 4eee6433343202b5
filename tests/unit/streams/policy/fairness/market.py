"""Tenants who compete for a few workers, and a plain account of what each got. Complains when one got too much."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from contracts.work import QueuedHead, Resolved, WorkerReport
from streams.policy.waiting import Waiting

if TYPE_CHECKING:
    from contracts.events import Tier
    from streams.policy.batching import Scheduler
    from streams.policy.waiting import Formed

WEIGHTS = {"a": 1.0, "b": 2.0, "c": 0.5, "guest": 1.0, "hasty": 1.0}
HUNGRY = ("a", "b", "c")
"""They have jobs waiting at all times."""

CAP = 3.0
DEAREST_S = 4.0
LARGEST_S = CAP * DEAREST_S
"""A full batch of the dearest jobs (GPU-seconds)."""

GAP_S = 2 * LARGEST_S / min(WEIGHTS.values())
SHAPE = Resolved(width=64, height=64, steps=1, guidance=1.0, seed=0, count=1, frames=1, fps=1)


class Unfair(AssertionError):
    """A tenant got more than its share."""


class ThreeAtOnce:
    """Three jobs a batch."""

    def weight(self, _: QueuedHead) -> float:
        return 1.0

    def limit(self, _: QueuedHead) -> float:
        return CAP


class Market:
    def __init__(self, scheduler: Scheduler, workers: int = 2) -> None:
        self.scheduler = scheduler
        self.now = 1000.0
        self.served: defaultdict[str, float] = defaultdict(float)
        """GPU-seconds of ordinary jobs by tenant."""
        self.waiting: dict[tuple[str, str], Waiting] = {}
        self.running: deque[Formed] = deque()
        self._made = 0
        self._ends = [0] * workers
        for worker in range(workers):
            scheduler.ended(worker, 0)
            self._report(worker)

    def _report(self, worker: int) -> None:
        done = self._ends[worker] - sum(formed.partition == worker for formed in self.running)
        report = WorkerReport(
            worker=f"w{worker}", pool="default", at=self.now, generation=1, positions={worker: done}, models=["m1", "m2"]
        )
        self.scheduler.report(report, self.now)

    def add(
        self, tenant: str, key: str, price_s: float, tier: Tier = "ordinary", deadline: float | None = None
    ) -> tuple[str, str]:
        """A job comes."""
        self._made += 1
        head = QueuedHead(
            id=f"job-{self._made}", tenant=tenant, tier=tier, model=f"m{key[-1]}", engine="noop", batch_key=key, price_s=price_s,
            resolved=SHAPE, submitted_at=self.now, deadline=deadline,
        )  # fmt: skip
        job = Waiting(head=head, name=(tenant, head.id), tier=tier, offset=self._made, arrived=self.now, weight=1.0, body=b"x")
        self.waiting[job.name] = job
        self.scheduler.arrive(job, self.now)
        return job.name

    def feed(self, key_of: dict[str, str]) -> None:
        """The hungry always want more."""
        for tenant in HUNGRY:
            for _ in range(6 - sum(job.head.tenant == tenant for job in self.waiting.values())):
                self.add(tenant, key_of[tenant], 1.0 + self._made % int(DEAREST_S))

    def form(self, *, refused: bool = False) -> Formed | None:
        """The next batch, which the broker takes or refuses."""
        for job in self.scheduler.expire(self.now):
            del self.waiting[job.name]
            self.scheduler.landed([job])
        formed = self.scheduler.form(self.now)
        if formed is None:
            return None
        if refused:
            self.scheduler.failed(formed, self.now)
            return formed
        self.scheduler.sent(formed, self._ends[formed.partition])
        self._ends[formed.partition] += 1
        self.running.append(formed)
        for job in formed.jobs:
            del self.waiting[job.name]
            if job.tier == "ordinary":
                self.served[job.head.tenant] += job.head.price_s
        return formed

    def finish(self) -> None:
        """The oldest batch ends."""
        if self.running:
            worker = self.running.popleft().partition
            self.now += 0.5
            self._report(worker)

    def cancel(self, name: tuple[str, str]) -> None:
        """A job is cancelled, wherever it is."""
        if self.scheduler.cancel(*name) is not None:
            del self.waiting[name]

    def judge(self) -> None:
        """By weight, none of the hungry got much more than another."""
        had = {tenant: self.served[tenant] / WEIGHTS[tenant] for tenant in HUNGRY}
        gap = max(had.values()) - min(had.values())
        if gap > GAP_S + 1e-6:
            raise Unfair(f"{gap:.1f} GPU-seconds apart: {had}")

    def round(self, key_of: dict[str, str]) -> None:
        """Everybody hungry has jobs, whoever has room gets a batch, and one batch ends."""
        self.feed(key_of)
        while self.form() is not None:
            self.judge()
            self.feed(key_of)
        self.finish()
