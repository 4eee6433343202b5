"""First in, first out, one job a batch: what a plain task queue does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from loadtest.simulate.policies.baseline import Baseline
from streams.policy.fill import Caps
from streams.policy.waiting import Waiting


class OneAtATime(Baseline):
    """No tiers, no tenants, no company."""

    def __init__(self, caps: Caps) -> None:
        super().__init__(caps, _Queue())


class _Queue:
    def __init__(self) -> None:
        self._jobs: OrderedDict[tuple[str, str], Waiting] = OrderedDict()  # a dict's front is slow once much was deleted there

    def add(self, job: Waiting) -> None:
        self._jobs[job.name] = job

    def drop(self, job: Waiting) -> None:
        del self._jobs[job.name]

    def next_batch(self, now: float) -> Sequence[Waiting]:  # noqa: ARG002 - other orders look at the time
        return [next(iter(self._jobs.values()))] if self._jobs else []

    def wake_at(self) -> float | None:
        return None
