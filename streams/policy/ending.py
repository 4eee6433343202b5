"""What an outcome asks for: a move in the job store, and the events that follow if the move takes effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from contracts.catalog import Catalog
from contracts.events import Dead, JobError, Repro, Result, Status, Timings
from contracts.work import Outcome, QueuedJob
from streams.policy.decode import keep
from streams.policy.degrade import degrade
from streams.policy.retry import UNEXPLAINED, next_try, read_queued, with_attempt


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome, thought through."""

    outcome: Outcome
    at: float
    result: Result | None = None
    """None where the job goes on, or nobody can be answered."""
    statuses: Sequence[Status] = ()
    dead: Dead | None = None
    retry: QueuedJob | None = None


def ending(outcome: Outcome, at: float, version: str, catalog: Catalog) -> Ending:
    """Decide on an outcome. `at`: of the outcome's record, so that a replay comes to the very same bytes."""
    if outcome.state == "rejected":
        return _rejected(outcome, at)
    if outcome.state != "failed":
        return _ended(outcome, at, None)
    queued = read_queued(outcome.queued)
    failed = with_attempt(queued, outcome) if queued else None
    again = next_try(failed, outcome, at) if failed else None
    if again is None:
        final = _final(outcome)
        return _ended(final, at, failed, dead=outcome.dead or _letter(final, failed, at, version))
    return _retried(outcome, at, degrade(again, catalog))


def _final(outcome: Outcome) -> Outcome:
    """A job that had the engine to itself and ended it, each time that it was tried, is not worth sending again."""
    error = outcome.error
    if error is None or outcome.lost is None:
        return outcome
    return msgspec.structs.replace(outcome, error=msgspec.structs.replace(error, retryable=False))


def _retried(outcome: Outcome, at: float, again: QueuedJob) -> Ending:
    statuses = [_status(outcome, "retrying", again.attempt, at, outcome.error or UNEXPLAINED)]
    if again.degraded != outcome.degraded:
        statuses.append(_status(outcome, "degraded", again.attempt, at, None))
    return Ending(outcome=outcome, at=at, statuses=statuses, retry=again)


def _rejected(outcome: Outcome, at: float) -> Ending:
    if outcome.silent:
        return Ending(outcome=outcome, at=at, dead=outcome.dead)
    result = Result(id=outcome.id, tenant=outcome.tenant, state="rejected", error=outcome.error)
    status = _status(outcome, "rejected", 0, at, outcome.error)
    return Ending(outcome=outcome, at=at, result=result, statuses=[status], dead=outcome.dead)


def _ended(outcome: Outcome, at: float, failed: QueuedJob | None, dead: Dead | None = None) -> Ending:
    error = outcome.error
    if error is None and outcome.state == "failed":
        error = UNEXPLAINED
    result = Result(
        id=outcome.id,
        tenant=outcome.tenant,
        state=outcome.state,
        outputs=outcome.outputs,
        error=error,
        timings=_timings(outcome.timings, at),
        batch=outcome.batch,
        model=failed.model if failed else outcome.model,
        degraded=outcome.degraded,
    )
    attempt = outcome.attempt or (outcome.batch.attempt if outcome.batch else 0)
    status = _status(outcome, outcome.state, attempt, at, error)
    return Ending(outcome=outcome, at=at, result=result, statuses=[status], dead=dead)


def _status(outcome: Outcome, state: Any, attempt: int, at: float, error: JobError | None) -> Status:
    return Status(id=outcome.id, tenant=outcome.tenant, state=state, at=at, attempt=attempt, error=error)


def _timings(timings: Timings | None, at: float) -> Timings | None:
    """The same with the total up to the terminal state, and the wait of a job that never ran."""
    if timings is None or not timings.submitted_at:
        return timings
    waited = (timings.started_at or at) - timings.submitted_at
    total = at - timings.submitted_at
    return msgspec.structs.replace(timings, queued_s=_seconds(waited), total_s=_seconds(total))


def _seconds(value: float) -> float:
    return round(max(0.0, value), 6)


def _letter(outcome: Outcome, failed: QueuedJob | None, at: float, version: str) -> Dead:
    partition, _, offset = (failed.source if failed else "").partition("@")
    kept = keep(bytes(failed.job) if failed else None)
    return Dead(
        id=outcome.id,
        tenant=outcome.tenant,
        cause=outcome.error or UNEXPLAINED,
        at=at,
        topic="jobs",
        partition=int(partition or -1),
        offset=int(offset or -1),
        body=kept.body,
        encoding=kept.encoding,
        attempts=failed.history if failed else [],
        versions={"darkroom": version} | ({"model": failed.model} if failed else {}) | outcome.versions,
        repro=_repro(failed) if failed else None,
    )


def _repro(failed: QueuedJob) -> Repro:
    numbers = msgspec.structs.asdict(failed.resolved)
    return Repro(model=failed.model, engine=failed.engine, degraded=failed.degraded, **numbers)
