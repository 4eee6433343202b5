from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from contracts.codec import encode
from contracts.events import Dead, JobError, Result, Status
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Outcome, QueuedJob
from infra.jobstore.memory import MemoryJobs
from streams.ports import Claim
from streams.settle import Settle
from tests.support.bad_jobs import USED
from tests.support.outcomes import POISON, cancelled, failure, success

TOPICS = Topics()


@dataclass
class Told:
    """A record on `outcomes`."""

    value: bytes
    offset: int
    topic: str = "outcomes"
    partition: int = 0
    timestamp: int = 10_000
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Objects:
    """Implements streams.ports.ObjectRemover."""

    removed: list[str] = field(default_factory=list)

    async def remove(self, keys: Sequence[str]) -> None:
        self.removed += keys


class Bench:
    """Settle on a store in memory, with jobs a, b and c claimed."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.store = MemoryJobs()
        self.objects = Objects()
        self.settle = Settle(
            store=self.store,
            objects=self.objects,
            topics=TOPICS,
            clock=lambda: 20.0,
            metrics=self.metrics,
            version="0.1.0",
            catalog=USED,
        )

    async def claimed(self) -> Bench:
        await self.store.claim(
            [
                Claim(tenant="acme", id=one, fingerprint=b"", source="0@0@0", submitted_at=1.0, model="noop@1", tier="paid")
                for one in "abc"
            ]
        )
        return self

    async def told(self, *outcomes: Outcome | bytes, offset: int = 0) -> list[Record]:
        values = [one if isinstance(one, bytes) else encode(one) for one in outcomes]
        return await self.settle([Told(value, offset + n) for n, value in enumerate(values)])


def rejected(source: str = "jobs/0@5") -> Outcome:
    error = JobError(code="invalid", message="id: is required")
    dead = Dead(id="x", tenant="acme", cause=error, at=1.0, topic="jobs", partition=0, offset=5, body="{}", encoding="utf-8")
    return Outcome(id="x", tenant="acme", state="rejected", at=1.0, error=error, source=source, dead=dead)


def of(settled: list[Record], topic: str, kind: type[Any]) -> list[Any]:
    return [msgspec.json.decode(one.value or b"", type=kind) for one in settled if one.topic == topic]


async def test_a_success_is_one_result_and_one_status() -> None:
    settled = await (await Bench().claimed()).told(success())
    (result,) = of(settled, "results", Result)
    (status,) = of(settled, "status", Status)
    assert (result.id, result.state, result.outputs[0].key) == ("a", "succeeded", "a/1")
    assert (status.state, status.at) == ("succeeded", 10.0)
    assert len(settled) == 2


async def test_the_store_keeps_the_very_bytes_of_the_result() -> None:
    bench = await Bench().claimed()
    settled = await bench.told(success())
    row = await bench.store.get("acme", "a")
    assert row is not None
    assert [one.value for one in settled if one.topic == "results"] == [row.result]


async def test_a_chunk_settled_again_after_a_crash_is_told_in_the_same_bytes() -> None:
    bench = await Bench().claimed()
    chunk = (success("a"), failure("b"), rejected(), failure("c", error=POISON), success("a", key="a/2"))
    first = await bench.told(*chunk)
    assert await bench.told(*chunk) == first


async def test_the_second_outcome_of_a_job_is_dropped_and_its_objects_are_removed_before_the_chunk_is_committed() -> None:
    bench = await Bench().claimed()
    settled = await bench.told(success(key="a/1"), success(key="a/2"))
    assert [one.outputs[0].key for one in of(settled, "results", Result)] == ["a/1"]
    assert bench.objects.removed == ["a/2"], "nobody will ever look at this chunk again"


async def test_an_outcome_told_twice_does_not_cost_the_winner_its_objects() -> None:
    bench = await Bench().claimed()
    assert len(of(await bench.told(success(), success()), "results", Result)) == 1
    assert bench.objects.removed == []


async def test_a_success_after_a_cancel_is_dropped_with_all_its_objects() -> None:
    bench = await Bench().claimed()
    await bench.told(cancelled())
    assert await bench.told(success(), offset=1) == []
    assert bench.objects.removed == ["a/1"]


async def test_a_retryable_failure_queues_the_next_attempt_once() -> None:
    bench = await Bench().claimed()
    settled = await bench.told(failure(), failure())
    (again,) = of(settled, "queue.default.ordinary", QueuedJob)
    assert (again.attempt, again.not_before, [one.code for one in again.history]) == (2, 11.0, ["out_of_memory"])
    assert [one.state for one in of(settled, "status", Status)] == ["retrying"]
    assert of(settled, "results", Result) == []


async def test_a_failure_of_an_attempt_that_was_given_up_queues_nothing() -> None:
    bench = await Bench().claimed()
    await bench.told(failure())
    assert await bench.told(failure(attempt=1), offset=1) == []


async def test_a_job_that_keeps_failing_ends_with_a_result_and_a_dead_letter() -> None:
    bench = await Bench().claimed()
    outcome = failure()
    for attempt in (1, 2, 3):
        (again,) = of(await bench.told(outcome, offset=attempt), "queue.default.ordinary", QueuedJob)
        outcome = msgspec.structs.replace(outcome, attempt=again.attempt, queued=msgspec.Raw(encode(again)))
    settled = await bench.told(outcome, offset=4)
    assert [one.state for one in of(settled, "results", Result)] == ["failed"]
    assert [[run.number for run in one.attempts] for one in of(settled, "jobs.dead", Dead)] == [[1, 2, 3, 4]]


async def test_a_rejection_told_by_two_outcomes_is_told_once() -> None:
    settled = await (await Bench().claimed()).told(rejected(), rejected(), rejected("jobs/0@6"))
    assert len(of(settled, "results", Result)) == 2
    assert len(of(settled, "jobs.dead", Dead)) == 2


async def test_a_rejection_does_not_end_the_job_that_has_the_id() -> None:
    bench = await Bench().claimed()
    await bench.told(msgspec.structs.replace(rejected(), id="a"))
    assert len(of(await bench.told(success(), offset=1), "results", Result)) == 1


async def test_what_is_no_outcome_is_kept_and_does_not_hold_up_the_rest() -> None:
    settled = await (await Bench().claimed()).told(b"{nope", success(), b"\xff")
    assert len(of(settled, "results", Result)) == 1
    assert len(of(settled, "jobs.dead", Dead)) == 2


async def test_a_failed_run_whose_job_cannot_be_read_ends_the_job_all_the_same() -> None:
    broken = msgspec.structs.replace(failure(), queued=msgspec.Raw(b'{"id": 7}'))
    settled = await (await Bench().claimed()).told(broken)
    assert [one.state for one in of(settled, "results", Result)] == ["failed"]
    assert len(of(settled, "jobs.dead", Dead)) == 1


async def test_what_was_settled_is_counted() -> None:
    bench = await Bench().claimed()
    await bench.told(success("a"), success("a", key="a/2"), failure("b"))
    read = bench.metrics
    assert read.settled.labels("succeeded")._value.get() == 1
    assert read.late._value.get() == 1
    assert read.retried.labels("out_of_memory")._value.get() == 1
