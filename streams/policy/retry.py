"""What a failed run leads to: another try, or the end.

Where an engine ended with several jobs in it, nobody knows whose fault that was. Such a run is counted against none of
them: its jobs run again in halves, which share a batch with nobody else, so that the halves without a culprit succeed
and the culprit is alone in the end. All that this takes is in the event (`group`, `history`): no process keeps any of it.
"""

from __future__ import annotations

import msgspec

from contracts.events import Attempt, JobError
from contracts.work import Lost, Outcome, QueuedJob

BACKOFF_S = (1.0, 2.0, 4.0)
"""Wait before the second, third and fourth run that counts. As many retries as there are waits."""

GATHER_S = 1.0
"""Wait before a half runs. Its jobs come back one by one, by way of several partitions; that long they wait for each other."""

UNCOUNTED = 12
"""Runs that are not counted, at most: halving 4,096 jobs takes so many. No error of ours may make a job run for ever."""

UNEXPLAINED = JobError(code="internal", message="the run failed without saying why")

_decode = msgspec.json.Decoder(QueuedJob).decode


def read_queued(raw: msgspec.Raw) -> QueuedJob | None:
    """The queued job that a failed run's outcome carries; None if it carries none that can run again."""
    try:
        return None if bytes(raw) in (b"", b"null") else _decode(raw)
    except msgspec.DecodeError:
        return None


def with_attempt(failed: QueuedJob, outcome: Outcome) -> QueuedJob:
    """The job with the run that this outcome tells of in its history."""
    batch, timings = outcome.batch, outcome.timings
    run = Attempt(
        number=failed.attempt,
        code=(outcome.error or UNEXPLAINED).code,
        ended_at=outcome.at,
        started_at=timings.started_at if timings else 0.0,
        worker=batch.worker if batch else "",
        engine=failed.engine,
        batch=batch.id if batch else "",
        size=batch.size if batch else 0,
        counted=_counts(failed, outcome.lost),
    )
    return msgspec.structs.replace(failed, history=[*failed.history, run])


def next_try(failed: QueuedJob, outcome: Outcome, at: float) -> QueuedJob | None:
    """The job as it queues again, or None when it is not to run again. `failed`: with this run in its history."""
    error = outcome.error or UNEXPLAINED
    tries = counted(failed)
    if not failed.history[-1].counted:
        # The same moment for all jobs of the run: they were told of together.
        due = min(outcome.at, at) + GATHER_S
    elif error.retryable and tries <= len(BACKOFF_S):
        due = at + max(BACKOFF_S[tries - 1], error.retry_after_s or 0.0)
    else:
        return None
    return msgspec.structs.replace(failed, attempt=failed.attempt + 1, not_before=due, group=_group(failed, outcome))


def counted(job: QueuedJob) -> int:
    """Failed runs that count against the job."""
    return sum(run.counted for run in job.history)


def _counts(failed: QueuedJob, lost: Lost | None) -> bool:
    uncounted = len(failed.history) - counted(failed)
    return lost is None or lost.size <= 1 or uncounted >= UNCOUNTED


def _group(failed: QueuedJob, outcome: Outcome) -> str:
    """With whom it runs next: its half, nobody once it failed by itself, anybody if no engine ever had it."""
    lost, batch = outcome.lost, outcome.batch
    if lost is not None and batch is not None:
        first = (lost.size + 1) // 2
        half, size = ("a", first) if lost.place < first else ("b", lost.size - first)
        if size > 1:
            # The size too: a batch that two workers lost may have been lost with more jobs by one than by the other.
            return f"{batch.id}.{lost.size}{half}"
    begun = outcome.timings is not None and outcome.timings.started_at > 0
    return f"{failed.tenant}/{failed.id}" if lost is not None or begun else failed.group
