"""Decisions a second of the pure policy, with a full window: `python -m loadtest.policy`.

One decision forms one batch for one of the workers; the jobs it takes are replaced, the batch is written and finished
at once. What Kafka costs is not in it.
"""

from __future__ import annotations

import argparse
import gc
from time import process_time

from contracts.events import TIERS
from contracts.work import QueuedHead, Resolved, WorkerReport
from streams.policy.batching import Scheduler
from streams.policy.waiting import Formed, Waiting
from streams.process import COLLECT

SHAPE = Resolved(width=512, height=512, steps=20, guidance=4.0, seed=1, count=1, frames=1, fps=1)


class Caps:
    """The same size for every key."""

    def __init__(self, size: int) -> None:
        self._size = float(size)

    def weight(self, _: QueuedHead) -> float:
        """Every job is alike."""
        return 1.0

    def limit(self, _: QueuedHead) -> float:
        """The size."""
        return self._size


class Bench:
    """A pool that never idles, and a window that never empties."""

    def __init__(self, *, jobs: int, keys: int, size: int, workers: int, tenants: int) -> None:
        self.scheduler = Scheduler(Caps(size), batch_wait_s=0.005)
        self._keys = keys
        self._tenants = tenants
        self._made = 0
        self._ends = dict.fromkeys(range(workers), 0)
        self._positions = dict(self._ends)
        for worker in range(workers):
            self.scheduler.ended(worker, 0)
            self._report(worker)
        for _ in range(jobs):
            self.arrive()

    def _report(self, worker: int) -> None:
        models = [f"model-{number}@1" for number in range(4)]
        positions = {worker: self._positions[worker]}
        report = WorkerReport(worker=f"w{worker}", pool="default", at=0.0, generation=1, positions=positions, models=models)
        self.scheduler.report(report, 0.0)

    def arrive(self) -> None:
        """One more job."""
        self._made += 1
        number = self._made % self._keys
        name = f"job-{self._made}"
        tier = TIERS[self._made % 3]
        tenant = f"tenant-{self._made % self._tenants}"
        head = QueuedHead(
            id=name,
            tenant=tenant,
            tier=tier,
            model=f"model-{number % 4}@1",
            engine="noop",
            batch_key=f"key-{number}",
            price_s=0.5,
            resolved=SHAPE,
            submitted_at=0.0,
        )
        job = Waiting(head=head, name=(tenant, name), tier=tier, offset=self._made, arrived=-1.0, weight=1.0, body=b"")
        self.scheduler.arrive(job, 0.0)

    def decide(self) -> Formed:
        """One decision, and the acknowledgement of its batch."""
        formed = self.scheduler.form(0.0)
        if formed is None:
            raise RuntimeError("the pool idles")
        self.scheduler.sent(formed, self._ends[formed.partition])
        return formed

    def finish(self, formed: Formed) -> None:
        """The worker is through with it, and says so."""
        self._ends[formed.partition] += 1
        self._positions[formed.partition] += 1
        self._report(formed.partition)

    def run(self, decisions: int) -> tuple[float, float, float]:
        """CPU seconds spent in decisions, in reports, and in arrivals."""
        deciding = reporting = arriving = 0.0
        for _ in range(decisions):
            began = process_time()
            formed = self.decide()
            decided = process_time()
            self.finish(formed)
            reported = process_time()
            for _ in formed.jobs:
                self.arrive()
            deciding += decided - began
            reporting += reported - decided
            arriving += process_time() - reported
        return deciding, reporting, arriving


def main() -> None:
    """Print a table. CPU time, so that what else the machine does hardly matters."""
    gc.set_threshold(*COLLECT)  # as the process that schedules does
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--decisions", type=int, default=20_000)
    count = options.parse_args().decisions
    print("jobs held | tenants | keys | batch | workers | jobs decided/s | µs/job | µs/report | µs/arrival")
    for jobs, tenants, keys, size, workers in CASES:
        bench = Bench(jobs=jobs, tenants=tenants, keys=keys, size=size, workers=workers)
        decision, report, arrival = (spent / count * 1e6 for spent in bench.run(count))
        each = decision / size
        line = f"{jobs:9} | {tenants:7} | {keys:4} | {size:5} | {workers:7} | {1e6 / each:14,.0f} | {each:6.1f}"
        print(f"{line} | {report:9.1f} | {arrival / size:10.1f}")


CASES = [
    (1_000, 1, 1, 1, 4),
    (1_000, 100, 50, 8, 16),
    (10_000, 100, 50, 8, 16),
    (100_000, 100, 50, 8, 16),
    (100_000, 1_000, 50, 8, 16),
    (100_000, 1_000, 50, 1, 16),
]


if __name__ == "__main__":
    main()
