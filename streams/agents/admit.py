"""admit: `jobs` → claims in the job store, `status`, `queue.<pool>.<tier>`; what is refused → `outcomes`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.events import JobError, State, Status, Terminal, Timings
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import Outcome
from streams.agents.loop import take_chunks
from streams.chunks import RawSchema
from streams.patience import patiently
from streams.policy.cost import Costs
from streams.policy.decode import read_job, sender_of
from streams.policy.place import Placed, deadline, place, queued
from streams.policy.rejected import Rejected
from streams.policy.validate import Models
from streams.ports import Claim, Claimed, JobStore
from streams.tell import Clock, Tell, letter, place_of, trace, when

log = logging.getLogger(__name__)

UNJUDGED = Rejected("internal", "event", "could not be judged; this is a fault of ours")
CONFLICT = JobError(code="conflict", message="id: another job has it already")
EXPIRED = JobError(code="expired", message="ttl_s: passed before the job was admitted")
CANCELLED = JobError(code="cancelled", message="cancelled before it was admitted")


def attach(app: Any, *, admit: Admit, topics: Topics, metrics: Metrics) -> None:
    """Let the app's agent read `jobs`."""
    channel = app.topic(topics.jobs, schema=RawSchema(), partitions=topics.partitions)

    @app.agent(channel, name="admit")
    async def run(stream: Any) -> None:
        await take_chunks(stream, "admit", admit, metrics)


@dataclass(frozen=True, slots=True)
class Entry:
    """A fit job and the record it came in."""

    record: Any
    placed: Placed
    submitted_at: float

    def claim(self) -> Claim:
        """Asks for the job's id."""
        job, record = self.placed.job, self.record
        return Claim(
            tenant=job.tenant,
            id=job.id,
            fingerprint=self.placed.fingerprint,
            source=f"{record.partition}@{record.offset}@{record.timestamp}",
            submitted_at=self.submitted_at,
            model=self.placed.model.ref,
            tier=job.priority,
        )


class Admit:
    """Admits chunks of records. Everything it does may be done twice: a chunk counts only once it is acknowledged."""

    def __init__(
        self,
        *,
        models: Models,
        costs: Costs,
        store: JobStore,
        publisher: Publishing,
        topics: Topics,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._models = models
        self._costs = costs
        self._store = store
        self._publisher = publisher
        self._tell = Tell(topics, "admit")
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, records: Sequence[Any]) -> None:
        """Returns once all that follows from these records is durable."""
        now = self._clock()
        entries: list[Entry] = []
        onward: list[Record] = []
        for record in records:
            try:
                entries.append(Entry(record, self._placed(record), when(record, now)))
            except Rejected as error:
                onward.append(self._refusal(record, error, now))
        claims = [entry.claim() for entry in entries]
        answers = await patiently(self._store.claim, claims) if claims else []
        told = list(self._statuses(entries, answers, now))
        onward += self._onward(entries, answers, now)
        # Told first: a worker may take a job the moment it is queued, and "running" must not come before "queued".
        await self._publisher.publish(told)
        await self._publisher.publish(onward)
        self._count(entries, answers)

    def _placed(self, record: Any) -> Placed:
        try:
            return place(read_job(record.value), self._models, self._costs)
        except Rejected:
            raise
        except Exception:
            # A bug of ours that one event brings out must not hold up all events behind it.
            log.exception("an event could not be judged")
            raise UNJUDGED from None

    def _refusal(self, record: Any, rejected: Rejected, now: float) -> Record:
        self._metrics.rejected.labels(rejected.code).inc()
        sender = sender_of(record.value)
        dead = letter(record, rejected.error, now, id=sender.id, tenant=sender.tenant)
        refusal = Outcome(
            id=sender.id,
            tenant=sender.tenant,
            state="rejected",
            at=now,
            error=rejected.error,
            source=f"jobs/{place_of(record)}",
            silent=not sender.id,
            dead=dead,
        )
        return self._tell.outcome(refusal, trace(record))

    def _statuses(self, entries: Iterable[Entry], answers: Iterable[Claimed], now: float) -> Iterator[Record]:
        for entry, answer in zip(entries, answers, strict=True):
            job = entry.placed.job
            context = trace(entry.record)
            for status in _told(job.id, job.tenant, answer, now, waits=not _doomed(entry, answer, now)):
                yield self._tell.status(status, context)

    def _onward(self, entries: Iterable[Entry], answers: Iterable[Claimed], now: float) -> Iterator[Record]:
        for entry, answer in zip(entries, answers, strict=True):
            if not _to_run(answer):
                continue
            doom = _doomed(entry, answer, now)
            context = trace(entry.record)
            if doom:
                yield self._tell.outcome(self._end(entry, doom, now), context)
            else:
                source = place_of(entry.record)
                body = entry.record.value
                job = queued(entry.placed, body, source=source, submitted_at=entry.submitted_at, admitted_at=now)
                yield self._tell.queued(job, context)

    def _end(self, entry: Entry, why: JobError, now: float) -> Outcome:
        job = entry.placed.job
        timings = Timings(submitted_at=entry.submitted_at, admitted_at=now)
        state: Terminal = "expired" if why is EXPIRED else "cancelled"
        return Outcome(id=job.id, tenant=job.tenant, state=state, at=now, error=why, timings=timings)

    def _count(self, entries: Iterable[Entry], answers: Iterable[Claimed]) -> None:
        pairs = Counter((e.placed.job.priority, a.answer) for e, a in zip(entries, answers, strict=True))
        for (tier, answer), count in pairs.items():
            if answer == "new":
                self._metrics.admitted.labels(tier).inc(count)
            else:
                self._metrics.repeated.labels(answer).inc(count)


def _to_run(answer: Claimed) -> bool:
    """Whether the job goes on from here. A replayed one that was retried or settled has gone on already."""
    return answer.answer == "new" or (answer.answer == "replay" and answer.state == "queued")


def _doomed(entry: Entry, answer: Claimed, now: float) -> JobError | None:
    if answer.cancelled:
        return CANCELLED
    limit = deadline(entry.placed.job, entry.submitted_at)
    return EXPIRED if limit is not None and limit <= now else None


def _told(id: str, tenant: str, answer: Claimed, now: float, *, waits: bool) -> Iterator[Status]:
    if _to_run(answer):
        states: tuple[State, ...] = ("accepted", "queued") if waits else ("accepted",)
        for state in states:
            yield Status(id=id, tenant=tenant, state=state, at=now, attempt=0)
    elif answer.answer == "conflict":
        yield Status(id=id, tenant=tenant, state="conflict", at=now, attempt=0, error=CONFLICT)
    elif answer.answer == "same":
        attempt = 0 if answer.state == "queued" else answer.attempt
        yield Status(id=id, tenant=tenant, state=answer.state, at=now, attempt=attempt, repeated=True)
