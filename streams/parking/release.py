"""release: `parked.<pool>` → `queue.<pool>.<tier>` when a job's turn has come; a shorter line of `parked.<pool>` until then.

A line is a partition in which every job stays equally long, so it is read front to back: nobody stands in front of
anybody whose turn comes earlier, however many are parked. A job walks from longer lines to shorter ones, each step in one
transaction with the line's offset: it is in one place at any time, whenever a process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.codec import Decoder, Invalid
from contracts.events import TERMINAL
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Parked, QueuedJob
from streams.expire import expired, unreadable
from streams.gate import EARLY_S, Gate, park
from streams.patience import patiently
from streams.policy.limit import Answer
from streams.ports import JobStore
from streams.tell import Clock, Tell, trace

_parked = Decoder(Parked)
_job = Decoder(QueuedJob)


@dataclass(frozen=True, slots=True)
class Case:
    """A parked job whose line is done with it."""

    record: Any
    parked: Parked
    job: QueuedJob
    wait_s: float
    """Until its turn; 0 or less: it has come."""


class Release:
    """Decides on chunks of parked jobs."""

    def __init__(self, *, gate: Gate, store: JobStore, topics: Topics, clock: Clock, metrics: Metrics) -> None:
        self._gate = gate
        self._store = store
        self._tell = Tell(topics, "release")
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, records: Sequence[Any]) -> list[Record]:
        """Where they go next; nothing is published yet."""
        released: list[Record] = []
        wall = self._clock()
        cases = list(self._read(records, released, wall))
        released += [self._park(case, wall) for case in cases if case.wait_s > EARLY_S]
        due = [case for case in cases if case.wait_s <= EARLY_S]
        wanted = await self._wanted(due)
        released += await self._let_in(wanted, wall)
        return released

    def _read(self, records: Iterable[Any], released: list[Record], wall: float) -> Iterable[Case]:
        now = self._gate.limiter.now()
        for record in records:
            try:
                parked = _parked(record.value)
                job = _job(parked.job)
            except Invalid as error:
                released.append(self._tell.outcome(unreadable(record, error, wall)))
                continue
            if job.deadline is not None and job.deadline <= wall:
                released.append(self._tell.outcome(expired(job, wall), trace(record)))
            else:
                yield Case(record, parked, job, parked.start_at - now)

    def _park(self, case: Case, wall: float) -> Record:
        return park(self._tell, case.parked, case.job, case.wait_s, wall, trace(case.record))

    async def _wanted(self, cases: Sequence[Case]) -> list[Case]:
        """Without those that were cancelled: the scheduler may have forgotten by now, and would run them."""
        rows = await asyncio.gather(*(patiently(self._store.get, case.job.tenant, case.job.id) for case in cases))
        return [case for case, row in zip(cases, rows, strict=True) if row is None or row.state not in TERMINAL]

    async def _let_in(self, cases: Sequence[Case], wall: float) -> list[Record]:
        unpaid = [case for case in cases if not case.parked.paid]
        answers = dict(zip(map(id, unpaid), await self._gate.ask_everybodys([case.job for case in unpaid]), strict=True))
        onward = [_later(case, answers.get(id(case))) for case in cases]
        for case in onward:
            if case.wait_s <= EARLY_S:
                self._metrics.released.labels(case.job.pool, case.job.tier).inc()
        return [self._park(case, wall) for case in onward]


def _later(case: Case, answer: Answer | None) -> Case:
    """The case with what the limit on all together adds to its wait."""
    if answer is None:
        return case
    added = max(0.0, answer.wait_s - max(0.0, case.wait_s))
    parked = msgspec.structs.replace(case.parked, start_at=case.parked.start_at + added, paid=True)
    return Case(case.record, parked, case.job, case.wait_s + added)
