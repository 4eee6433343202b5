"""Outcomes that the scheduler asks for: of jobs that ran out of time, and of records that are no jobs."""

from __future__ import annotations

from typing import Any

from contracts.codec import Invalid
from contracts.events import JobError, Timings
from contracts.work import Outcome, QueuedHead, QueuedJob
from streams.tell import letter, place_of

EXPIRED = JobError(code="expired", message="ttl_s: passed while the job waited for a worker")


def expired(head: QueuedHead | QueuedJob, now: float) -> Outcome:
    """A job whose deadline passed before it was dispatched."""
    timings = Timings(submitted_at=head.submitted_at, queued_s=max(0.0, now - head.submitted_at))
    return Outcome(id=head.id, tenant=head.tenant, state="expired", at=now, error=EXPIRED, timings=timings)


def unreadable(record: Any, error: Invalid, now: float) -> Outcome:
    """A record on a queue that is no queued job: only a dead letter tells of it, as nobody knows whose it was."""
    cause = JobError(code="invalid", message=str(error))
    dead = letter(record, cause, now, id="", tenant="")
    source = f"{record.topic}/{place_of(record)}"
    return Outcome(id="", tenant="", state="rejected", at=now, error=cause, source=source, silent=True, dead=dead)
