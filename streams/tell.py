"""Events as records: topic, key and headers of what the stages write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from contracts.codec import encode
from contracts.events import Dead, Result, Status
from contracts.headers import event_headers, trace_of
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Outcome, Parked, QueuedJob
from streams.policy.decode import keep

Kind = Literal["status", "result", "dead", "queued", "parked", "outcome"]
Clock = Callable[[], float]
"""Seconds since the Unix epoch."""


class Tell:
    """Makes the records of one stage."""

    def __init__(self, topics: Topics, stage: str) -> None:
        self._topics = topics
        self._stage = stage
        kinds: tuple[Kind, ...] = ("status", "result", "dead", "queued", "parked", "outcome")
        self._headers = {kind: event_headers(kind, stage) for kind in kinds}

    def status(self, event: Status, trace: bytes | None = None) -> Record:
        """A step in a job's life."""
        return self._record(self._topics.status, event.id, event, "status", trace)

    def result(self, event: Result, body: bytes, trace: bytes | None = None) -> Record:
        """The end of a job; `body`: the event's bytes, which are kept in the job store too."""
        return Record(self._topics.results, event.id.encode(), body, self._with("result", trace))

    def dead(self, event: Dead, trace: bytes | None = None) -> Record:
        """A dead letter."""
        return self._record(self._topics.dead, event.id, event, "dead", trace)

    def queued(self, event: QueuedJob, trace: bytes | None = None) -> Record:
        """A job to be scheduled."""
        return self._record(self._topics.queue(event.pool, event.tier), event.id, event, "queued", trace)

    def parked(self, event: Parked, job: QueuedJob, line: int, trace: bytes | None = None) -> Record:
        """A job that waits for its turn, in a line of its pool."""
        headers = self._with("parked", trace)
        return Record(self._topics.parked(job.pool), job.id.encode(), encode(event), headers, line)

    def outcome(self, event: Outcome, trace: bytes | None = None) -> Record:
        """A verdict for settle. One without an id goes where its source says, so that a replay follows it."""
        return self._record(self._topics.outcomes, event.id or event.source, event, "outcome", trace)

    def _record(self, topic: str, key: str, event: Any, kind: Kind, trace: bytes | None) -> Record:
        return Record(topic, key.encode(), encode(event), self._with(kind, trace))

    def _with(self, kind: Kind, trace: bytes | None) -> list[tuple[str, bytes]]:
        return event_headers(kind, self._stage, trace) if trace else self._headers[kind]


def trace(record: Any) -> bytes | None:
    """The trace context a consumed record came with."""
    return trace_of(record.headers) if record.headers else None


def place_of(record: Any) -> str:
    """`partition@offset` of a consumed record."""
    return f"{record.partition}@{record.offset}"


def when(record: Any, now: float) -> float:
    """Timestamp of a consumed record (seconds); `now` for one that has none or claims to come from the future."""
    stamp = record.timestamp
    return now if stamp is None or stamp < 0 else min(stamp / 1000, now)


def letter(record: Any, cause: Any, now: float, **about: Any) -> Dead:
    """A dead letter with the bytes of a consumed record."""
    kept = keep(record.value)
    return Dead(
        cause=cause,
        at=now,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        body=kept.body,
        encoding=kept.encoding,
        **about,
    )
