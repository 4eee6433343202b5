"""What the simulator needs of a policy: the part of `Scheduler` that news and decisions go through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from contracts.work import WorkerReport
from streams.policy.waiting import Formed, Waiting


class Contender(Protocol):
    """Decides which jobs go where, and when. `streams.policy.batching.Scheduler` is one as it stands."""

    def arrive(self, job: Waiting, now: float) -> object:
        """A job came."""
        ...

    def report(self, report: WorkerReport, now: float) -> None:
        """A worker's report came in."""
        ...

    def ended(self, partition: int, end: int) -> None:
        """The end of a partition of batches was learned."""
        ...

    def expire(self, now: float) -> Sequence[Waiting]:
        """Jobs whose deadline passed while they waited; out of the queue, `landed` when that is told."""
        ...

    def landed(self, jobs: Sequence[Waiting]) -> object:
        """It is told."""
        ...

    def form(self, now: float) -> Formed | None:
        """The next batch, or None if nothing goes now."""
        ...

    def sent(self, formed: Formed, offset: int) -> object:
        """The batch is in its partition."""
        ...

    def wake_at(self) -> float | None:
        """When to ask again though nothing happened."""
        ...
