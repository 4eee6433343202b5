"""What became of a job, as an `Outcome`: the run's numbers around what the engine process told."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.errors import ErrorCode
from contracts.events import BatchInfo, JobError, Output, Timings
from contracts.work import NO_RAW, Lost, Outcome
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Made, Unmade
from gpu_consumers.versions import versions_of


def succeeded(flight: Flight, made: Made, outputs: list[Output], worker: str) -> Outcome:
    """A job with its outputs stored."""
    queued = flight.entries[made.place].queued
    return Outcome(
        id=queued.id,
        tenant=queued.tenant,
        state="succeeded",
        at=made.finished_at,
        attempt=queued.attempt,
        model=flight.batch.model,
        outputs=outputs,
        timings=_timings(flight, made.place, made.finished_at, made.run_s, made.gpu_s),
        batch=_batch(flight, made.place, worker),
        degraded=queued.degraded,
    )


def unmade(flight: Flight, told: Sequence[Unmade], now: float, worker: str) -> list[Outcome]:
    """Jobs without outputs, all that were told of together."""
    lost = [one.place for one in told if one.lost]
    among = {place: Lost(place=number, size=len(lost)) for number, place in enumerate(lost)}
    return [_unmade(flight, one, among.get(one.place), now, worker) for one in told]


def unstored(flight: Flight, places: Sequence[int], now: float, worker: str) -> list[Outcome]:
    """Jobs whose outputs cannot be used: they are run again."""
    code: ErrorCode = "storage"
    message = "the outputs were damaged before they were stored"
    failed = [Unmade(place=place, state="failed", code=code, message=message, retryable=True) for place in places]
    return unmade(flight, failed, now, worker)


def _unmade(flight: Flight, one: Unmade, lost: Lost | None, now: float, worker: str) -> Outcome:
    """A cancel and an expiry hold whatever runs; a failure is of this attempt."""
    entry = flight.entries[one.place]
    failed = one.state == "failed"
    return Outcome(
        id=entry.queued.id,
        tenant=entry.queued.tenant,
        state=one.state,
        at=now,
        attempt=entry.queued.attempt if failed else None,
        error=JobError(code=one.code, message=one.message, retryable=one.retryable),
        timings=_timings(flight, one.place, now, 0.0, 0.0),
        batch=_batch(flight, one.place, worker) if failed else None,
        queued=entry.raw if failed else NO_RAW,
        degraded=entry.queued.degraded,
        lost=lost,
        versions=versions_of(flight.batch.engine) if failed else {},
    )


def _batch(flight: Flight, place: int, worker: str) -> BatchInfo:
    return BatchInfo(id=flight.batch.id, size=len(flight.entries), worker=worker, attempt=flight.entries[place].queued.attempt)


def _timings(flight: Flight, place: int, now: float, run_s: float, gpu_s: float) -> Timings:
    queued = flight.entries[place].queued
    started = flight.started_at
    return Timings(
        submitted_at=queued.submitted_at,
        admitted_at=queued.admitted_at,
        dispatched_at=flight.batch.formed_at,
        started_at=started,
        finished_at=now,
        queued_s=max(0.0, (started or now) - queued.submitted_at),
        run_s=run_s,
        gpu_s=gpu_s,
        total_s=max(0.0, now - queued.submitted_at),
    )
