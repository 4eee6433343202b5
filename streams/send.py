"""What the scheduler decided, on its way to Kafka: batches, outcomes of expired and unreadable jobs, jobs that go back.

A record is done with once what it led to is durable, and not before.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from uuid import uuid4

from msgspec import Raw

from contracts.codec import Invalid, encode
from contracts.headers import INVITED, SOURCE, event_headers
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import PackedBatch
from streams.expire import expired, unreadable
from streams.policy.batching import Scheduler
from streams.policy.waiting import Formed, Waiting
from streams.tell import Tell

log = logging.getLogger(__name__)


class Ticket(Protocol):
    """Where a record's end is noted."""

    def done(self, n: int = 1) -> None:
        """That many records of it are done."""
        ...


class Wire(Protocol):
    """How batches and outcomes leave."""

    async def batches(self, records: Sequence[Record]) -> list[int | None]:
        """Write batches; the offset of each, or None for one that was certainly not written. Raises if it can't tell."""
        ...

    async def others(self, records: Sequence[Record]) -> None:
        """Write outcomes, and jobs that go back to their queue, whatever it takes."""
        ...


class Sender:
    """Of one pool. `dispatched` is told which jobs' records must not be acted on again."""

    def __init__(
        self,
        *,
        pool: str,
        topics: Topics,
        scheduler: Scheduler,
        wire: Wire,
        metrics: Metrics,
        clock: Callable[[], float],
        dispatched: Callable[[Iterable[Waiting]], None],
    ) -> None:
        self._pool = pool
        self._topics = topics
        self._scheduler = scheduler
        self._wire = wire
        self._metrics = metrics
        self._clock = clock
        self._dispatched = dispatched
        self._headers = event_headers("batch", "batch")
        self._queued = event_headers("queued", "batch")
        self._tell = Tell(topics, "batch")

    async def batches(self, batches: Sequence[Formed], now: float) -> None:
        """Send batches that were formed now. Raises if it cannot be known whether they arrived."""
        offsets = await self._wire.batches([self._packed(formed, now) for formed in batches])
        for formed, offset in zip(batches, offsets, strict=True):
            if offset is None:
                done_with(self._scheduler.failed(formed, self._clock()))
            else:
                self._sent(formed, offset, now)

    async def expired(self, jobs: Sequence[Waiting], now: float) -> None:
        """Tell of jobs whose time is over."""
        await self._wire.others([self._tell.outcome(expired(job.head, now)) for job in jobs])
        done_with(self._scheduler.landed(jobs))

    async def back(self, jobs: Sequence[Waiting]) -> None:
        """Send jobs to the end of their queues that nobody can run."""
        log.warning("%d jobs of pool %s are for models that no worker runs: moved back", len(jobs), self._pool)
        queues = self._topics.queues(self._pool)
        await self._write_again([Record(queues[job.tier], job.head.id.encode(), job.body, self._queued) for job in jobs], jobs)

    async def renew(self, jobs: Sequence[Waiting]) -> None:
        """Send jobs to the end of their queues that hold back what is committed. Their places are kept."""
        queues, headers = self._topics.queues(self._pool), [INVITED, *self._queued]
        await self._write_again([Record(queues[job.tier], job.head.id.encode(), job.body, headers) for job in jobs], jobs)

    async def aside(self, jobs: Sequence[tuple[Waiting, int]]) -> None:
        """Write jobs to overflow that there is no room for, each to a partition."""
        await self._write_again([self._set_aside(job, place) for job, place in jobs], [job for job, _ in jobs])
        for place, records in Counter(place for _, place in jobs).items():
            self._scheduler.overflow.written(place, records)

    def _set_aside(self, job: Waiting, place: int) -> Record:
        source = (SOURCE, f"{job.tier}@{job.offset}".encode())
        return Record(self._topics.overflow(self._pool), job.head.id.encode(), job.body, [source, *self._queued], place)

    async def _write_again(self, records: Sequence[Record], jobs: Sequence[Waiting]) -> None:
        await self._wire.others(records)
        self._dispatched(jobs)
        done_with(self._scheduler.moved(jobs, self._clock()))

    async def unreadable(self, record: Any, error: Invalid, ticket: Ticket) -> None:
        """Tell of a record that is no job."""
        log.error("job at %s[%d]@%d cannot be read: %s", record.topic, record.partition, record.offset, error.field)
        await self._wire.others([self._tell.outcome(unreadable(record, error, self._clock()))])
        ticket.done()

    def _packed(self, formed: Formed, now: float) -> Record:
        head, name = formed.jobs[0].head, uuid4().hex
        batch = PackedBatch(
            id=name,
            pool=self._pool,
            key=head.batch_key,
            engine=head.engine,
            model=head.model,
            formed_at=now,
            sources=[(job.tier, job.offset) for job in formed.jobs],
            jobs=[Raw(job.body) for job in formed.jobs],
            weights=[job.weight for job in formed.jobs],
        )
        topic = self._topics.batches(self._pool)
        return Record(topic, name.encode(), encode(batch), self._headers, formed.partition)

    def _sent(self, formed: Formed, offset: int, now: float) -> None:
        done = self._scheduler.sent(formed, offset)
        self._dispatched(formed.jobs)
        self._dispatched(done)
        done_with(done)
        self._metrics.batches.labels(self._pool).inc()
        self._metrics.batch_size.labels(self._pool).observe(len(formed.jobs))
        for job in formed.jobs:
            self._metrics.dispatch_wait.labels(job.tier).observe(max(0.0, now - job.head.submitted_at))


def done_with(jobs: Iterable[Waiting]) -> None:
    """Note the end of these records."""
    for job in jobs:
        ticket: Any = job.ticket
        ticket.done()
