from __future__ import annotations

import json

import msgspec
import pytest

from contracts.catalog import Catalog
from contracts.codec import encode
from contracts.events import BatchInfo, JobError, Timings
from contracts.work import Outcome, QueuedJob
from streams.policy.decode import Kept, read_job, unkeep
from streams.policy.ending import Ending, ending
from streams.policy.place import place, queued
from streams.policy.retry import BACKOFF_S, next_try
from streams.policy.validate import Models
from tests.support.bad_jobs import CATALOG, good

MODELS = Models(msgspec.toml.decode(CATALOG, type=Catalog))
EVENT = json.dumps(good("a")).encode()
AGAIN = JobError(code="out_of_memory", message="8 rows", retryable=True)
NEVER = JobError(code="poison", message="not a number")


def job(attempt: int = 1, failures: tuple[str, ...] = ()) -> QueuedJob:
    first = queued(place(read_job(EVENT), MODELS), EVENT, source="3@77", submitted_at=1.0, admitted_at=2.0)
    return msgspec.structs.replace(first, attempt=attempt, failures=list(failures))


def failed(error: JobError | None, attempt: int = 1) -> Ending:
    raw = msgspec.Raw(encode(job(attempt)))
    outcome = Outcome(id="a", tenant="acme", state="failed", at=10.0, attempt=attempt, error=error, queued=raw)
    return ending(outcome, 10.0, "0.1.0")


class TestRetry:
    @pytest.mark.parametrize(("attempt", "wait"), list(enumerate(BACKOFF_S, start=1)))
    def test_a_failed_run_waits_longer_each_time(self, attempt: int, wait: float) -> None:
        again = next_try(job(attempt), AGAIN, 10.0)
        assert again is not None
        assert (again.attempt, again.not_before) == (attempt + 1, 10.0 + wait)

    def test_after_three_retries_there_is_no_fourth(self) -> None:
        assert next_try(job(4), AGAIN, 10.0) is None

    def test_what_can_never_succeed_is_not_tried_again(self) -> None:
        assert next_try(job(), NEVER, 10.0) is None

    def test_an_engine_may_ask_for_a_longer_wait(self) -> None:
        again = next_try(job(), msgspec.structs.replace(AGAIN, retry_after_s=30.0), 10.0)
        assert again is not None
        assert again.not_before == 40.0

    def test_the_causes_add_up_and_the_event_stays_as_it_came(self) -> None:
        again = next_try(job(2, ("engine_broken",)), AGAIN, 10.0)
        assert again is not None
        assert again.failures == ["engine_broken", "out_of_memory"]
        assert bytes(again.job) == EVENT


class TestEnding:
    def test_a_retry_ends_nothing(self) -> None:
        end = failed(AGAIN)
        assert end.result is None
        assert end.dead is None
        assert end.status is not None
        assert (end.status.state, end.status.attempt, end.status.error) == ("retrying", 2, AGAIN)

    @pytest.mark.parametrize(("error", "attempt"), [(NEVER, 1), (AGAIN, 4)])
    def test_a_job_that_cannot_succeed_is_told_and_kept_with_its_bytes(self, error: JobError, attempt: int) -> None:
        end = failed(error, attempt)
        assert end.retry is None
        assert end.result is not None
        assert (end.result.state, end.result.error, end.result.model) == ("failed", error, "noop@1")
        assert end.dead is not None
        assert unkeep(Kept(end.dead.body, end.dead.encoding)) == EVENT
        assert (end.dead.partition, end.dead.offset, end.dead.attempts) == (3, 77, attempt)
        assert end.dead.failures[-1] == error.code
        assert end.dead.versions == {"darkroom": "0.1.0", "model": "noop@1"}

    def test_a_failure_that_says_nothing_is_our_own_fault(self) -> None:
        end = failed(None)
        assert end.result is not None
        assert end.result.error is not None
        assert end.result.error.code == "internal"

    def test_a_failure_without_its_job_is_told_all_the_same(self) -> None:
        end = ending(Outcome(id="a", tenant="acme", state="failed", at=1.0, error=AGAIN), 10.0, "0.1.0")
        assert end.result is not None
        assert end.dead is not None
        assert end.dead.encoding == "null"

    def test_a_success_tells_the_times_up_to_its_end(self) -> None:
        timings = Timings(submitted_at=1.0, started_at=4.0, finished_at=9.0, run_s=5.0)
        batch = BatchInfo(id="b", size=8, worker="w", attempt=2)
        outcome = Outcome(id="a", tenant="acme", state="succeeded", at=9.0, timings=timings, batch=batch, model="noop@1")
        end = ending(outcome, 10.0, "0.1.0")
        assert end.result is not None
        assert end.result.timings is not None
        assert (end.result.timings.queued_s, end.result.timings.total_s) == (3.0, 9.0)
        assert end.result.model == "noop@1"
        assert end.status is not None
        assert (end.status.state, end.status.attempt) == ("succeeded", 2)

    def test_a_job_that_never_ran_waited_all_the_time(self) -> None:
        outcome = Outcome(id="a", tenant="acme", state="expired", at=9.0, timings=Timings(submitted_at=1.0))
        end = ending(outcome, 10.0, "0.1.0")
        assert end.result is not None
        assert end.result.timings is not None
        assert (end.result.timings.queued_s, end.result.timings.total_s) == (9.0, 9.0)

    def test_a_silent_rejection_leaves_a_dead_letter_and_no_result(self) -> None:
        end = ending(Outcome(id="", tenant="", state="rejected", at=1.0, silent=True, source="jobs/0@1"), 10.0, "0.1.0")
        assert end.result is None
        assert end.status is None

    def test_the_same_outcome_read_again_comes_to_the_same_bytes(self) -> None:
        assert encode(failed(NEVER).result) == encode(failed(NEVER).result)
