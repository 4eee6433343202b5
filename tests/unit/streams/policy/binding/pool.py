"""Workers that say what they hold, and costs that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from contracts.catalog import Catalog, Cost, ModelSpec
from contracts.work import QueuedHead, Ran, Resolved, WorkerReport
from streams.policy.batching import Scheduler
from streams.policy.cost import work_of
from streams.policy.cost_model import CostModel
from streams.policy.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.events import Tier

SHAPE = Resolved(width=64, height=64, steps=10, guidance=1.0, seed=0, count=1, frames=1, fps=1)
LOAD_S = 20.0


class FourAtOnce:
    """Four jobs a batch."""

    def weight(self, _: QueuedHead) -> float:
        return 1.0

    def limit(self, _: QueuedHead) -> float:
        return 4.0


class Pool:
    """One worker a partition."""

    def __init__(
        self, *, models: Sequence[str], base_s: float = 1.0, row_step_s: float = 0.01, batch_wait_s: float = 0.0
    ) -> None:
        self.models = models
        specs = [_spec(model, Cost(base_s=base_s, per_row_step_s=row_step_s, load_s=LOAD_S)) for model in models]
        self.costs = CostModel(Catalog(defaults={}, models=specs))
        self.scheduler = Scheduler(FourAtOnce(), batch_wait_s=batch_wait_s, costs=self.costs)
        self.now = 1000.0
        self._made = 0
        self._ends: dict[int, int] = {}

    def measure(self, model: str, *, times: int = 40, model_bytes: int | None = None, row_bytes: int = 0) -> None:
        """Runs of single jobs that take just as long as predicted, and this much memory."""
        work = work_of(SHAPE)
        memory = None if model_bytes is None else model_bytes + work.rows * row_bytes
        for _ in range(times):
            seconds = self.costs.estimate(model, model, work).seconds
            self.costs.learn(
                Ran(key=model, model=model, engine="noop", device="", pixels=work.pixels, rows=work.rows, steps=work.steps,
                    row_steps=work.row_steps, seconds=seconds, memory_bytes=memory, model_bytes=model_bytes)
            )  # fmt: skip

    def report(
        self,
        worker: int,
        *,
        held: Sequence[str],
        finished: int = 0,
        memory: int | None = None,
        held_bytes: int = 0,
        slots: int = 2,
    ) -> None:
        """A worker says what it holds and how far it is, and what memory it has."""
        self._ends.setdefault(worker, 0)
        self.scheduler.ended(worker, self._ends[worker])
        report = WorkerReport(
            worker=f"w{worker}", pool="default", at=self.now, generation=1, positions={worker: finished},
            models=[*held, *(model for model in self.models if model not in held)], held=list(held),
            memory_bytes=memory, held_bytes=held_bytes, slots=slots,
        )  # fmt: skip
        self.scheduler.report(report, self.now)

    def add(
        self,
        model: str,
        count: int = 1,
        tier: Tier = "ordinary",
        *,
        ttl_s: float | None = None,
        tenant: str = "acme",
        pictures: int = 1,
    ) -> None:
        """Jobs come."""
        for _ in range(count):
            self._made += 1
            name = f"job-{self._made}"
            price = self.costs.estimate(model, model, work_of(SHAPE)).seconds
            shape = replace(SHAPE, count=pictures)
            head = QueuedHead(
                id=name, tenant=tenant, tier=tier, model=model, engine="noop", batch_key=model, price_s=price, resolved=shape,
                submitted_at=self.now, deadline=None if ttl_s is None else self.now + ttl_s,
            )  # fmt: skip
            job = Waiting(head=head, name=(tenant, name), tier=tier, offset=self._made, arrived=self.now, weight=1.0, body=b"x")
            self.scheduler.arrive(job, self.now)

    def batches(self) -> list[tuple[str, str, int]]:
        """Worker, model and size of every batch that can be formed now; all of them are written."""
        found = []
        while (formed := self.scheduler.form(self.now)) is not None:
            self.scheduler.sent(formed, self._ends[formed.partition])
            self._ends[formed.partition] += 1
            found.append((formed.worker, formed.jobs[0].head.model, len(formed.jobs)))
        return found


def _spec(name: str, cost: Cost) -> ModelSpec:
    return ModelSpec(
        name=name.partition("@")[0], version="1", engine="noop", tasks=["text-to-image"], width=64, height=64, min_side=8,
        max_side=64, multiple=8, max_pixels=4096, steps=10, max_steps=10, guidance=1.0, cost=cost,
    )  # fmt: skip
