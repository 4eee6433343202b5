from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from contracts.codec import encode
from contracts.errors import ErrorCode
from contracts.events import Attempt, BatchInfo, JobError, Timings
from contracts.work import Lost, Outcome, QueuedJob
from streams.policy.cost_model import CostModel
from streams.policy.decode import Kept, read_job, unkeep
from streams.policy.ending import Ending, ending
from streams.policy.place import place, queued
from streams.policy.retry import BACKOFF_S, GATHER_S, UNCOUNTED
from streams.policy.validate import Models
from tests.support.bad_jobs import USED, good

MODELS, COSTS = Models(USED), CostModel(USED)
EVENT = json.dumps(good("a")).encode()
AGAIN = JobError(code="out_of_memory", message="8 rows", retryable=True)
NEVER = JobError(code="poison", message="not a number")
CRASH = JobError(code="engine_crashed", message="the engine process ended during the run", retryable=True)


BATCH = BatchInfo(id="b", size=4, worker="gpu-1")


def job(attempt: int = 1, codes: tuple[ErrorCode, ...] = (), **changes: Any) -> QueuedJob:
    first = queued(place(read_job(EVENT), MODELS, COSTS), EVENT, source="3@77", submitted_at=1.0, admitted_at=2.0)
    history = [Attempt(number=n, code=code, ended_at=5.0) for n, code in enumerate(codes, start=1)]
    return msgspec.structs.replace(first, attempt=attempt, history=history, **changes)


def outcome_of(job: QueuedJob, error: JobError | None, **changes: Any) -> Outcome:
    timings = Timings(submitted_at=1.0, started_at=4.0, finished_at=9.0)
    plain = Outcome(
        id="a", tenant="acme", state="failed", at=9.0, attempt=job.attempt, error=error, queued=msgspec.Raw(encode(job)),
        batch=BATCH, timings=timings, degraded=job.degraded, versions={"engine": "noop", "numpy": "2"},
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def failed(error: JobError | None, job: QueuedJob, **changes: Any) -> Ending:
    return ending(outcome_of(job, error, **changes), 10.0, "0.1.0", USED)


def tried(count: int, code: ErrorCode = "out_of_memory", **changes: Any) -> QueuedJob:
    """A job that failed so often by itself, in its next run."""
    return job(count + 1, (code,) * count, **changes)


def again(end: Ending) -> QueuedJob:
    assert end.retry is not None
    return end.retry


class TestRetry:
    @pytest.mark.parametrize(("before", "wait"), list(enumerate(BACKOFF_S)))
    def test_a_failed_run_waits_longer_each_time(self, before: int, wait: float) -> None:
        retry = again(failed(AGAIN, tried(before)))
        assert (retry.attempt, retry.not_before) == (before + 2, 10.0 + wait)

    def test_after_three_retries_there_is_no_fourth(self) -> None:
        assert failed(AGAIN, tried(3)).retry is None

    def test_what_can_never_succeed_is_not_tried_again(self) -> None:
        assert failed(NEVER, job()).retry is None

    def test_an_engine_may_ask_for_a_longer_wait(self) -> None:
        retry = again(failed(msgspec.structs.replace(AGAIN, retry_after_s=30.0), job()))
        assert retry.not_before == 40.0

    def test_the_runs_add_up_and_the_event_stays_as_it_came(self) -> None:
        retry = again(failed(AGAIN, job(2, ("engine_broken",))))
        assert [one.code for one in retry.history] == ["engine_broken", "out_of_memory"]
        last = retry.history[-1]
        assert (last.number, last.worker, last.engine, last.batch, last.size) == (2, "gpu-1", "noop", "b", 4)
        assert (last.started_at, last.ended_at, last.counted) == (4.0, 9.0, True)
        assert bytes(retry.job) == EVENT

    def test_a_job_that_failed_in_its_engine_is_tried_again_alone(self) -> None:
        assert again(failed(AGAIN, job())).group == "acme/a"

    def test_a_job_that_no_engine_ever_had_is_tried_again_with_others(self) -> None:
        assert again(failed(AGAIN, job(), timings=Timings(submitted_at=1.0))).group == ""


class TestBisect:
    """The engine ended with several jobs in it."""

    @pytest.mark.parametrize(("place", "group"), [(0, "b.5a"), (2, "b.5a"), (3, "b.5b"), (4, "b.5b")])
    def test_its_jobs_run_again_in_halves(self, place: int, group: str) -> None:
        assert again(failed(CRASH, job(), lost=Lost(place=place, size=5))).group == group

    @pytest.mark.parametrize(("place", "size"), [(0, 2), (1, 2), (2, 3), (0, 1)])
    def test_the_half_that_is_one_job_is_that_job_alone(self, place: int, size: int) -> None:
        assert again(failed(CRASH, job(), lost=Lost(place=place, size=size))).group == "acme/a"

    def test_the_run_counts_against_none_of_them(self) -> None:
        retry = again(failed(CRASH, tried(3), lost=Lost(place=0, size=2)))
        assert [one.counted for one in retry.history] == [True, True, True, False]

    def test_they_are_due_at_the_same_moment_whenever_each_was_settled(self) -> None:
        lost = outcome_of(job(), CRASH, lost=Lost(place=0, size=2))
        assert {again(ending(lost, at, "0.1.0", USED)).not_before for at in (9.0, 9.4, 60.0)} == {9.0 + GATHER_S}

    def test_a_worker_whose_clock_is_ahead_holds_up_nobody(self) -> None:
        retry = again(failed(CRASH, job(), lost=Lost(place=0, size=2), at=99999.0))
        assert retry.not_before == 10.0 + GATHER_S

    def test_a_run_that_had_the_engine_to_itself_counts_and_after_four_the_job_is_not_worth_sending_again(self) -> None:
        end = failed(CRASH, tried(3), lost=Lost(place=0, size=1))
        assert end.retry is None
        assert end.dead is not None
        assert end.result is not None
        assert end.result.error == end.dead.cause
        assert (end.dead.cause.code, end.dead.cause.retryable) == ("engine_crashed", False)

    def test_no_job_runs_for_ever_whatever_workers_say(self) -> None:
        runs = job()
        for _ in range(UNCOUNTED + len(BACKOFF_S)):
            runs = again(failed(CRASH, runs, lost=Lost(place=0, size=9)))
        assert failed(CRASH, runs, lost=Lost(place=0, size=9)).retry is None


class TestDegrade:
    def test_after_two_failures_the_third_run_takes_half_the_steps_and_says_so(self) -> None:
        end = failed(CRASH, tried(1, degrade=True))
        retry = again(end)
        assert (retry.resolved.steps, retry.degraded) == (2, ["steps"])
        assert retry.price_s < job().price_s
        assert [one.state for one in end.statuses] == ["retrying", "degraded"]

    def test_what_ran_out_of_memory_is_made_smaller_and_batched_with_its_like(self) -> None:
        retry = again(failed(AGAIN, tried(1, degrade=True)))
        assert (retry.resolved.width, retry.resolved.height, retry.resolved.steps) == (48, 48, 4)
        assert retry.degraded == ["width", "height"]
        assert retry.batch_key == job().batch_key.replace("64x64", "48x48")

    def test_the_fourth_run_is_reduced_further(self) -> None:
        third = again(failed(AGAIN, tried(1, degrade=True)))
        fourth = again(failed(AGAIN, third))
        assert (fourth.resolved.width, fourth.degraded) == (32, ["width", "height"])

    def test_nothing_is_reduced_before_two_failures_count(self) -> None:
        assert again(failed(AGAIN, job(degrade=True))).degraded == []
        assert again(failed(CRASH, tried(1, degrade=True), lost=Lost(place=0, size=2))).degraded == []

    @pytest.mark.parametrize("changes", [{}, {"degrade": True, "tier": "paid"}, {"degrade": True, "model": "gone@1"}])
    def test_a_job_is_left_as_it_is_if_it_forbids_it_or_is_paid_or_its_model_is_gone(self, changes: dict[str, Any]) -> None:
        before = tried(1, **changes)
        retry = again(failed(CRASH, before))
        assert (retry.resolved, retry.degraded, retry.batch_key) == (before.resolved, [], before.batch_key)

    def test_no_side_gets_smaller_than_its_model_makes(self) -> None:
        small = msgspec.structs.replace(job().resolved, width=8, height=16)
        retry = again(failed(AGAIN, tried(1, degrade=True, resolved=small)))
        assert (retry.resolved.width, retry.resolved.height, retry.degraded) == (8, 8, ["height"])

    def test_the_result_says_what_was_reduced(self) -> None:
        done = Outcome(id="a", tenant="acme", state="succeeded", at=9.0, degraded=["steps"])
        result = ending(done, 10.0, "0.1.0", USED).result
        assert result is not None
        assert result.degraded == ["steps"]


class TestEnding:
    def test_a_retry_ends_nothing(self) -> None:
        end = failed(AGAIN, job())
        assert end.result is None
        assert end.dead is None
        (status,) = end.statuses
        assert (status.state, status.attempt, status.error) == ("retrying", 2, AGAIN)

    @pytest.mark.parametrize(("error", "before"), [(NEVER, 0), (AGAIN, 3)])
    def test_a_job_that_cannot_succeed_is_told_and_kept_with_all_that_running_it_again_takes(
        self, error: JobError, before: int
    ) -> None:
        end = failed(error, tried(before))
        assert end.retry is None
        assert end.result is not None
        assert (end.result.state, end.result.error, end.result.model) == ("failed", error, "noop@1")
        dead = end.dead
        assert dead is not None
        assert unkeep(Kept(dead.body, dead.encoding)) == EVENT
        assert (dead.partition, dead.offset, dead.cause) == (3, 77, error)
        assert [one.number for one in dead.attempts] == list(range(1, before + 2))
        assert dead.versions == {"darkroom": "0.1.0", "model": "noop@1", "engine": "noop", "numpy": "2"}
        assert dead.repro is not None
        assert (dead.repro.model, dead.repro.seed, dead.repro.steps) == ("noop@1", job().resolved.seed, 4)

    def test_a_failure_that_says_nothing_is_our_own_fault(self) -> None:
        end = failed(None, job())
        assert end.result is not None
        assert end.result.error is not None
        assert end.result.error.code == "internal"

    def test_a_failure_without_its_job_is_told_all_the_same(self) -> None:
        end = ending(Outcome(id="a", tenant="acme", state="failed", at=1.0, error=AGAIN), 10.0, "0.1.0", USED)
        assert end.result is not None
        assert end.dead is not None
        assert end.dead.encoding == "null"

    def test_a_success_tells_the_times_up_to_its_end(self) -> None:
        timings = Timings(submitted_at=1.0, started_at=4.0, finished_at=9.0, run_s=5.0)
        batch = BatchInfo(id="b", size=8, worker="w", attempt=2)
        outcome = Outcome(id="a", tenant="acme", state="succeeded", at=9.0, timings=timings, batch=batch, model="noop@1")
        end = ending(outcome, 10.0, "0.1.0", USED)
        assert end.result is not None
        assert end.result.timings is not None
        assert (end.result.timings.queued_s, end.result.timings.total_s) == (3.0, 9.0)
        assert end.result.model == "noop@1"
        (status,) = end.statuses
        assert (status.state, status.attempt) == ("succeeded", 2)

    def test_a_job_that_never_ran_waited_all_the_time(self) -> None:
        outcome = Outcome(id="a", tenant="acme", state="expired", at=9.0, timings=Timings(submitted_at=1.0))
        end = ending(outcome, 10.0, "0.1.0", USED)
        assert end.result is not None
        assert end.result.timings is not None
        assert (end.result.timings.queued_s, end.result.timings.total_s) == (9.0, 9.0)

    def test_a_silent_rejection_leaves_a_dead_letter_and_no_result(self) -> None:
        end = ending(Outcome(id="", tenant="", state="rejected", at=1.0, silent=True, source="jobs/0@1"), 10.0, "0.1.0", USED)
        assert end.result is None
        assert not end.statuses

    def test_the_same_outcome_read_again_comes_to_the_same_bytes(self) -> None:
        assert encode(failed(NEVER, job()).dead) == encode(failed(NEVER, job()).dead)
