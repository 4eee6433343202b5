"""`running` on `status`: at a job's start, then now and then how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from contracts.codec import encode
from contracts.events import Status
from contracts.headers import event_headers
from contracts.records import Record
from contracts.topics import Topics
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Started, Stepped

EVERY_S = 0.5
"""A job's progress is told this often at most (seconds)."""


class Progress:
    """Makes the status records of the runs in hand."""

    def __init__(self, topics: Topics, clock: Callable[[], float] = time.time) -> None:
        self._topic = topics.status
        self._clock = clock
        self._headers = event_headers("status", "worker")
        self._told: dict[int, float] = {}

    def started(self, flight: Flight, report: Started) -> list[Record]:
        """All jobs that begin."""
        self._told[flight.run] = report.at
        entries = flight.entries
        return [self._record(flight, p, report.at, 0, entries[p].queued.resolved.steps) for p in report.places]

    def stepped(self, flight: Flight, report: Stepped) -> list[Record]:
        """How far the jobs are, unless that was told a moment ago."""
        now = self._clock()
        if now - self._told.get(flight.run, 0.0) < EVERY_S:
            return []
        self._told[flight.run] = now
        return [self._record(flight, p, now, done, total) for p, done, total in report.steps if p in flight.pending]

    def forget(self, run: int) -> None:
        """The run is over."""
        self._told.pop(run, None)

    def _record(self, flight: Flight, place: int, at: float, step: int, steps: int) -> Record:
        queued = flight.entries[place].queued
        status = Status(
            id=queued.id, tenant=queued.tenant, state="running", at=at, attempt=queued.attempt, step=step, steps=steps
        )
        return Record(self._topic, queued.id.encode(), encode(status), self._headers)
