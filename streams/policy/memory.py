"""How large a batch may be for the memory of a worker's device: by what it is predicted to take, and by what did not fit.

Nobody has to remember anything: a worker says in each report what its device has, what did not fit and how long ago that
was, so a new scheduler knows it within a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

from contracts.work import Squeezed, WorkerReport

if TYPE_CHECKING:
    from streams.policy.cost import Costs, Memory
    from streams.policy.waiting import Waiting
    from streams.policy.window import Window
    from streams.policy.workers import Worker, Workers

RECOVER_S = 600.0
"""Until a batch of the size that did not fit is tried again. A try that fails costs a step, not a run."""


def allowance(squeezed: Squeezed, since_s: float) -> float:
    """The limit of a batch: half of what did not fit, more as time passes. `since_s`: age of the report."""
    age = max(0.0, squeezed.ago_s + since_s)
    return squeezed.weight / 2 * (1 + age / RECOVER_S)


def beside_models(whole: int, report: WorkerReport, model: str, memory: Memory) -> float:
    """What a device that has `whole` has for a batch (bytes).

    A model that has to be loaded joins those that are held, and where there is no room for that they are let go.
    """
    held = model in report.models if report.held is None else model in report.held
    left = whole - report.held_bytes
    if held:
        return left
    return left - memory.model if left >= memory.model else whole - memory.model


class Fit:
    """Which worker of one pool has the memory for what."""

    def __init__(self, costs: Costs | None, workers: Workers) -> None:
        self._costs, self._workers = costs, workers
        self._strays: dict[str, Waiting] = {}
        """By model: a job that fits none of those who hold it, but others."""

    def rows(self, job: Waiting, worker: Worker) -> float:
        """The most rows that batches of this job's key may have there, as predicted; without a prediction there is no limit."""
        whole = worker.report.memory_bytes
        if whole is None or (memory := self._memory(job, worker)) is None:
            return inf
        return memory.rows(beside_models(whole, worker.report, job.head.model, memory))

    def has_room(self, job: Waiting, worker: Worker) -> bool:
        """Whether the job alone is predicted to fit: for a single one a worker lets its other models go."""
        whole = worker.report.memory_bytes
        if whole is None or (memory := self._memory(job, worker)) is None:
            return True
        return memory.of(job.head.resolved.rows) <= whole

    def choose(self, job: Waiting, able: Sequence[Worker], free: Sequence[Worker]) -> Sequence[Worker]:
        """Of the free workers that may take it (`able`) those with the room. None: another one has it, and is waited for.

        A job that fits nobody goes to whoever may take it: a prediction is no proof.
        """
        roomy = [one for one in able if self.has_room(job, one)]
        if roomy:
            return roomy
        model = job.head.model
        others = [one for one in self._workers.all() if model in one.warmth and one.report.slots and self.has_room(job, one)]
        if not others:
            return able
        if any(one.holds(model) for one in others):
            return ()
        self._strays[model] = job
        return [one for one in free if one in others]

    def with_strays(
        self, able: Mapping[str, Sequence[Worker]], free: Sequence[Worker], window: Window
    ) -> Mapping[str, Sequence[Worker]]:
        """The free workers that may take each model, and those that load it for a job which fits no other."""
        if not self._strays:
            return able
        self._strays = {model: job for model, job in self._strays.items() if window.holds(job)}
        more = {model: [one for one in free if self._may_load(model, job, one)] for model, job in self._strays.items()}
        return {**able, **{model: _both(able.get(model, ()), some) for model, some in more.items() if some}}

    def _memory(self, job: Waiting, worker: Worker) -> Memory | None:
        if self._costs is None:
            return None
        return self._costs.memory(job.head.model, job.head.batch_key, worker.report.device)

    def _may_load(self, model: str, job: Waiting, worker: Worker) -> bool:
        return model in worker.warmth and self.has_room(job, worker)


def _both(some: Sequence[Worker], more: Sequence[Worker]) -> list[Worker]:
    return [*some, *(one for one in more if one not in some)]
