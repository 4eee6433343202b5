"""admit: `jobs` → claims in the job store, `status`, `queue.<pool>.<tier>`; what is refused → `outcomes`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from contracts.events import Dead, JobError, Queue, Status, Terminal, Timings
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import Outcome
from streams.agents.loop import take_chunks
from streams.chunks import RawSchema
from streams.gate import AT_ONCE, Gate, busy
from streams.patience import patiently
from streams.policy.cost import Costs
from streams.policy.decode import read_job, sender_of
from streams.policy.eta import Eta
from streams.policy.limit import Answer
from streams.policy.outlook import Outlook
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


class Entry(Struct, frozen=True):
    """A fit job and the record it came in."""

    record: Any
    placed: Placed
    submitted_at: float
    dear: Rejected | None = None
    """Why it costs too much, if it does now. It may have cost less when it was taken."""

    @property
    def deadline(self) -> float | None:
        """When the job expires."""
        return deadline(self.placed.job, self.submitted_at)

    def claim(self, *, refused: bool) -> Claim:
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
            refused=refused,
        )


Case = tuple[Entry, Answer, Claimed]
"""A job, what the limiter says of it, and what the job store says."""


class Admit:
    """Admits chunks of records. Everything it does may be done twice: a chunk counts only once it is acknowledged."""

    def __init__(  # noqa: PLR0913 - what admission asks, each by its name
        self,
        *,
        models: Models,
        costs: Costs,
        gate: Gate,
        store: JobStore,
        publisher: Publishing,
        topics: Topics,
        clock: Clock,
        metrics: Metrics,
        outlook: Outlook,
    ) -> None:
        self._models = models
        self._costs = costs
        self._gate = gate
        self._store = store
        self._publisher = publisher
        self._tell = Tell(topics, "admit")
        self._clock = clock
        self._metrics = metrics
        self._outlook = outlook

    async def __call__(self, records: Sequence[Any]) -> None:
        """Returns once all that follows from these records is durable."""
        now = self._clock()
        entries: list[Entry] = []
        onward: list[Record] = []
        for record in records:
            try:
                placed = self._placed(record)
            except Rejected as error:
                onward.append(self._refusal(record, error, now))
            else:
                entries.append(Entry(record, placed, when(record, now), self._gate.too_dear(placed)))
        cases = await self._judged(entries, now)
        etas = self._foretold(cases, now)
        told = list(self._statuses(cases, etas, now))
        onward += self._onward(cases, etas, now)
        # Told first: a worker may take a job the moment it is queued, and "running" must not come before "queued".
        await self._publisher.publish(told)
        await self._publisher.publish(onward)
        self._count(cases)

    async def _judged(self, entries: Sequence[Entry], now: float) -> list[Case]:
        """The limiter first: a refused record must not take the id, and a replay of it must be refused again."""
        if not entries:
            return []
        allowed = await self._allowed(entries, now)
        refused = [bool(entry.dear) or answer.retry_after_s is not None for entry, answer in zip(entries, allowed, strict=True)]
        claims = [entry.claim(refused=is_refused) for entry, is_refused in zip(entries, refused, strict=True)]
        answers = await patiently(self._store.claim, claims)
        repeated = [(e.placed, a) for e, a, claimed in zip(entries, allowed, answers, strict=True) if _in_vain(claimed)]
        await self._gate.give_back(repeated)
        return list(zip(entries, allowed, answers, strict=True))

    async def _allowed(self, entries: Sequence[Entry], now: float) -> list[Answer]:
        """What the limiter says; it is not asked for what costs too much anyway."""
        asked = await self._gate.ask([(entry.placed, entry.deadline) for entry in entries if not entry.dear], now)
        answers = iter(asked)
        return [AT_ONCE if entry.dear else next(answers) for entry in entries]

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
        return self._tell.outcome(_refused(record, sender.id, sender.tenant, rejected.error, now, dead), trace(record))

    def _foretold(self, cases: Iterable[Case], now: float) -> list[Eta | None]:
        """When each job that goes on may be done."""
        chunk = self._outlook.chunk(now)

        def eta(entry: Entry, allowed: Answer, answer: Claimed) -> Eta | None:
            if not _to_run(answer) or _doomed(entry, answer, now):
                return None
            placed, job = entry.placed, entry.placed.job
            model = placed.model
            return chunk.forecast(model.pool, job.priority, job.tenant, placed.price_s, model.ref, allowed.wait_s)

        return [eta(*case) for case in cases]

    def _statuses(self, cases: Iterable[Case], etas: Iterable[Eta | None], now: float) -> Iterator[Record]:
        for (entry, allowed, answer), eta in zip(cases, etas, strict=True):
            job = entry.placed.job
            context = trace(entry.record)
            queue = _queue(entry.placed, eta, allowed.wait_s) if eta else None
            for status in _told(job.id, job.tenant, answer, now, queue, waits=not _doomed(entry, answer, now)):
                yield self._tell.status(status, context)

    def _onward(self, cases: Iterable[Case], etas: Iterable[Eta | None], now: float) -> Iterator[Record]:
        for (entry, allowed, answer), eta in zip(cases, etas, strict=True):
            job, context = entry.placed.job, trace(entry.record)
            if _turned_away(answer) and entry.dear:
                yield self._refusal(entry.record, entry.dear, now)
            elif _turned_away(answer):
                # No dead letter: nothing is wrong with it, and a sender that floods us has its bytes already.
                yield self._tell.outcome(_refused(entry.record, job.id, job.tenant, busy(allowed), now), context)
            elif _to_run(answer):
                doom = _doomed(entry, answer, now)
                yield self._tell.outcome(self._end(entry, doom, now), context) if doom else self._queued(entry, allowed, eta, now)

    def _queued(self, entry: Entry, allowed: Answer, eta: Eta | None, now: float) -> Record:
        record = entry.record
        job = queued(
            entry.placed,
            record.value,
            source=place_of(record),
            submitted_at=entry.submitted_at,
            admitted_at=now,
            eta=eta,
        )
        return self._gate.onward(self._tell, job, allowed, now, trace(record))

    def _end(self, entry: Entry, why: JobError, now: float) -> Outcome:
        job = entry.placed.job
        timings = Timings(submitted_at=entry.submitted_at, admitted_at=now)
        state: Terminal = "expired" if why is EXPIRED else "cancelled"
        return Outcome(id=job.id, tenant=job.tenant, state=state, at=now, error=why, timings=timings)

    def _count(self, cases: Iterable[Case]) -> None:
        counted = [(entry, answer) for entry, _, answer in cases if not (_turned_away(answer) and entry.dear)]
        pairs = Counter((e.placed.job.priority, "busy" if _turned_away(a) else a.answer) for e, a in counted)
        for (tier, answer), count in pairs.items():
            if answer == "busy":
                self._metrics.rejected.labels("busy").inc(count)
            elif answer == "new":
                self._metrics.admitted.labels(tier).inc(count)
            else:
                self._metrics.repeated.labels(answer).inc(count)


def _to_run(answer: Claimed) -> bool:
    """Whether the job goes on from here. A replayed one that was retried or settled has gone on already."""
    return answer.answer in {"new", "replay"} and answer.state == "queued"


def _turned_away(answer: Claimed) -> bool:
    """Whether the record is to be answered that its tenant sends too much: now, or it was the first time."""
    return answer.answer in {"new", "replay"} and answer.state == "rejected"


def _in_vain(answer: Claimed) -> bool:
    """Whether the limiter was asked for a job that does not run; of a replay it may have been twice, and stays so."""
    return answer.answer not in {"new", "replay"} or _turned_away(answer)


def _refused(record: Any, id: str, tenant: str, why: JobError, now: float, dead: Dead | None = None) -> Outcome:
    source = f"jobs/{place_of(record)}"
    return Outcome(id=id, tenant=tenant, state="rejected", at=now, error=why, source=source, silent=not id, dead=dead)


def _doomed(entry: Entry, answer: Claimed, now: float) -> JobError | None:
    if answer.cancelled:
        return CANCELLED
    limit = entry.deadline
    return EXPIRED if limit is not None and limit <= now else None


def _queue(placed: Placed, eta: Eta, parked_s: float) -> Queue:
    return Queue(
        pool=placed.model.pool,
        tier=placed.job.priority,
        price_s=placed.price_s,
        position=eta.position,
        eta_s=eta.eta_s,
        eta_low_s=eta.low_s,
        eta_high_s=eta.high_s,
        parked_s=parked_s,
    )


def _told(id: str, tenant: str, answer: Claimed, now: float, queue: Queue | None, *, waits: bool) -> Iterator[Status]:
    if _to_run(answer):
        yield Status(id=id, tenant=tenant, state="accepted", at=now, attempt=0)
        if waits:
            yield Status(id=id, tenant=tenant, state="queued", at=now, attempt=0, queue=queue)
    elif answer.answer == "conflict":
        yield Status(id=id, tenant=tenant, state="conflict", at=now, attempt=0, error=CONFLICT)
    elif answer.answer == "same":
        attempt = 0 if answer.state == "queued" else answer.attempt
        yield Status(id=id, tenant=tenant, state=answer.state, at=now, attempt=attempt, repeated=True)
