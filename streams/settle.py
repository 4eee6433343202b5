"""settle: a chunk of `outcomes` → verdicts of the job store → `results`, `status`, `jobs.dead`, queues.

The only writer of terminal state. The store's conditional write decides which outcome of a job counts; what follows from
it is written in one Kafka transaction with the chunk's offsets (see `streams.transactions`), so that it is told exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from contracts.catalog import Catalog
from contracts.codec import encode
from contracts.events import JobError, Result
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Outcome, Verdict
from streams.patience import patiently
from streams.policy.ending import Ending, ending
from streams.ports import JobStore, Move, Note, ObjectRemover
from streams.tell import Clock, Tell, letter, place_of, trace, when

UNREADABLE = JobError(code="internal", message="event: is no outcome")
_decode = msgspec.json.Decoder(Outcome).decode
_decode_result = msgspec.json.Decoder(Result).decode


class Case(Struct, frozen=True, kw_only=True):
    """One outcome on its way through a chunk."""

    record: Any
    source: str
    ending: Ending
    result: bytes | None = None
    """The `results` record, encoded once for topic and store."""


@dataclass(kw_only=True, slots=True)
class _Chunk:
    cases: list[Case] = field(default_factory=list)
    unreadable: list[Record] = field(default_factory=list)


class Settle:
    """Decides on chunks of outcomes. The same chunk again leads to the same records."""

    def __init__(
        self,
        *,
        store: JobStore,
        objects: ObjectRemover,
        topics: Topics,
        clock: Clock,
        metrics: Metrics,
        version: str,
        catalog: Catalog,
    ) -> None:
        self._store = store
        self._objects = objects
        self._tell = Tell(topics, "settle")
        self._clock = clock
        self._metrics = metrics
        self._version = version
        self._catalog = catalog

    async def __call__(self, records: Sequence[Any]) -> list[Record]:
        """To be written together with the chunk's offsets. The verdicts are durable when this returns."""
        chunk = self._read(records)
        verdicts = await self._verdicts(chunk.cases)
        counted = [case for case, verdict in zip(chunk.cases, verdicts, strict=True) if verdict != "late"]
        late = [case for case, verdict in zip(chunk.cases, verdicts, strict=True) if verdict == "late"]
        told = [record for case in counted for record in self._records(case)]
        self._count(counted, late)
        await self._remove_objects(late)
        return told + chunk.unreadable

    def _read(self, records: Sequence[Any]) -> _Chunk:
        chunk = _Chunk()
        now = self._clock()
        for record in records:
            at = when(record, now)
            try:
                end = ending(_decode(record.value or b""), at, self._version, self._catalog)
            except (msgspec.DecodeError, UnicodeDecodeError):
                dead = letter(record, UNREADABLE, at, id="", tenant="")
                chunk.unreadable.append(self._tell.dead(dead, trace(record)))
            else:
                body = encode(end.result) if end.result else None
                chunk.cases.append(Case(record=record, source=place_of(record), ending=end, result=body))
        return chunk

    async def _verdicts(self, cases: Sequence[Case]) -> list[Verdict]:
        moves = [_move(case) for case in cases if case.ending.outcome.state != "rejected"]
        notes = [_note(case) for case in cases if case.ending.outcome.state == "rejected"]
        moved = iter(await patiently(self._store.move, moves) if moves else [])
        noted = iter(await patiently(self._store.reject, notes) if notes else [])
        return [next(noted if case.ending.outcome.state == "rejected" else moved) for case in cases]

    def _records(self, case: Case) -> Iterator[Record]:
        end, context = case.ending, trace(case.record)
        yield from (self._tell.status(status, context) for status in end.statuses)
        if end.result and case.result:
            yield self._tell.result(end.result, case.result, context)
        if end.dead:
            yield self._tell.dead(end.dead, context)
        if end.retry:
            yield self._tell.queued(end.retry, context)

    async def _remove_objects(self, late: Iterable[Case]) -> None:
        # Before the chunk is committed: nobody looks at these outcomes again.
        orphans = await self._orphans(late)
        if orphans:
            await self._objects.remove(orphans)

    async def _orphans(self, late: Iterable[Case]) -> list[str]:
        """Objects of runs that came too late, without those that the job's result names: an outcome may be told twice."""
        keys: list[str] = []
        for case in late:
            outcome = case.ending.outcome
            if outcome.outputs:
                row = await patiently(self._store.get, outcome.tenant, outcome.id)
                named = {one.key for one in _decode_result(row.result).outputs} if row and row.result else set()
                keys += [one.key for one in outcome.outputs if one.key not in named]
        return keys

    def _count(self, counted: Sequence[Case], late: Sequence[Case]) -> None:
        self._metrics.late.inc(len(late))
        for state, count in Counter(c.ending.outcome.state for c in counted if not c.ending.retry).items():
            self._metrics.settled.labels(state).inc(count)
        for code, count in Counter(c.ending.retry.history[-1].code for c in counted if c.ending.retry).items():
            self._metrics.retried.labels(code).inc(count)


def _move(case: Case) -> Move:
    outcome = case.ending.outcome
    assert outcome.state != "rejected"
    return Move(
        tenant=outcome.tenant,
        id=outcome.id,
        to="retrying" if case.ending.retry else outcome.state,
        attempt=outcome.attempt,
        source=case.source,
        at=case.ending.at,
        result=case.result,
    )


def _note(case: Case) -> Note:
    return Note(rejected=case.ending.outcome.source, source=case.source, at=case.ending.at)
