from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from contracts.catalog import Catalog
from contracts.codec import encode
from contracts.events import Status
from contracts.metrics import Metrics
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import Outcome, QueuedJob
from infra.jobstore.memory import MemoryJobs
from streams.agents.admit import Admit
from streams.agents.control import ControlJobs
from streams.policy.cost_model import CostModel
from streams.policy.validate import Models
from streams.ports import Claim, Claimed, Move, StoreUnavailable
from tests.support.bad_jobs import CATALOG, good

TOPICS = Topics()
USED = msgspec.toml.decode(CATALOG, type=Catalog)
MODELS = Models(USED)
NOW = 100.0


@dataclass
class Sent:
    """A record on `jobs`."""

    value: bytes | None
    offset: int = 0
    topic: str = "jobs"
    partition: int = 0
    timestamp: int = 90_000
    headers: tuple[tuple[str, bytes], ...] = ()


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Paper:
    """A publisher that writes down what it is given, call by call, and may end the process at one of them."""

    calls: list[Sequence[Record]] = field(default_factory=list)
    crash_at: int | None = None

    async def publish(self, records: Sequence[Record]) -> None:
        if len(self.calls) == self.crash_at:
            raise Crash
        self.calls.append(records)

    def of(self, topic: str, kind: type[Any]) -> list[Any]:
        records = [one for call in self.calls for one in call if one.topic == topic]
        return [msgspec.json.decode(one.value or b"", type=kind) for one in records]


@dataclass
class Bench:
    """Admission with everything in memory."""

    store: MemoryJobs = field(default_factory=MemoryJobs)
    paper: Paper = field(default_factory=Paper)
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry()))

    async def admit(self, *records: Sent, models: Any = MODELS) -> Paper:
        parts: dict[str, Any] = {"models": models, "costs": CostModel(USED), "store": self.store, "metrics": self.metrics}
        await Admit(**parts, publisher=self.paper, topics=TOPICS, clock=lambda: NOW)(records)
        return self.paper

    def restarted(self) -> Bench:
        return Bench(store=self.store)


def job(id: str = "a", **changes: Any) -> bytes:
    return json.dumps(good(id, **changes)).encode()


def states(paper: Paper) -> list[str]:
    return [one.state for one in paper.of("status", Status)]


async def test_what_is_told_is_durable_before_a_worker_can_see_the_job() -> None:
    paper = await Bench().admit(Sent(job()))
    assert [{one.topic for one in call} for call in paper.calls] == [{"status"}, {"queue.default.ordinary"}]


@pytest.mark.parametrize("crash_at", [0, 1])
async def test_a_job_whose_admission_crashed_half_way_is_admitted_by_the_replay(crash_at: int) -> None:
    bench = Bench(paper=Paper(crash_at=crash_at))
    with pytest.raises(Crash):
        await bench.admit(Sent(job()))
    paper = await bench.restarted().admit(Sent(job()))
    assert states(paper) == ["accepted", "queued"]
    assert [one.id for one in paper.of("queue.default.ordinary", QueuedJob)] == ["a"]


async def test_a_replay_queues_the_same_bytes_with_the_same_drawn_seed() -> None:
    bench = Bench()
    first = await bench.admit(Sent(job()))
    again = await bench.restarted().admit(Sent(job()))
    assert again.calls == first.calls


@pytest.mark.parametrize("to", ["succeeded", "retrying"])
async def test_a_replay_of_a_job_that_went_on_queues_nothing(to: Any) -> None:
    bench = Bench()
    await bench.admit(Sent(job()))
    await bench.store.move([Move(tenant="acme", id="a", to=to, attempt=1, source="0@0", at=1.0)])
    paper = await bench.restarted().admit(Sent(job()))
    assert [one for call in paper.calls for one in call] == []


async def test_a_duplicate_of_a_job_that_ended_is_told_how_it_ended() -> None:
    bench = Bench()
    await bench.admit(Sent(job()))
    await bench.store.move([Move(tenant="acme", id="a", to="succeeded", attempt=1, source="0@0", at=1.0)])
    paper = await bench.restarted().admit(Sent(job(), offset=1))
    (status,) = paper.of("status", Status)
    assert (status.state, status.attempt, status.repeated) == ("succeeded", 1, True)


async def test_a_record_from_the_future_was_submitted_now() -> None:
    paper = await Bench().admit(Sent(job(ttl_s=5), timestamp=10**15))
    (queued,) = paper.of("queue.default.ordinary", QueuedJob)
    assert (queued.submitted_at, queued.deadline) == (NOW, NOW + 5)


async def test_a_bug_that_one_event_brings_out_is_kept_as_its_rejection() -> None:
    class Broken:
        def choose(self, name: str | None, task: str) -> Any:
            if name == "scenes":
                raise ZeroDivisionError(f"a secret about {task}")
            return MODELS.choose(name, "text-to-image")

    paper = await Bench().admit(Sent(job("a", model="scenes")), Sent(job("b"), 1), models=Broken())
    (outcome,) = paper.of("outcomes", Outcome)
    assert (outcome.id, outcome.error.code) == ("a", "internal")
    assert "secret" not in outcome.error.message
    assert [one.id for one in paper.of("queue.default.ordinary", QueuedJob)] == ["b"]


async def test_a_store_that_fails_for_a_while_is_asked_again() -> None:
    class Shaky(MemoryJobs):
        failures = 2

        async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("busy")
            return await super().claim(claims)

    paper = await Bench(store=Shaky()).admit(Sent(job()))
    assert states(paper) == ["accepted", "queued"]


async def test_what_was_admitted_rejected_and_repeated_is_counted() -> None:
    bench = Bench()
    await bench.admit(Sent(job()), Sent(job(), 1), Sent(job(priority="paid"), 2), Sent(b"{nope", 3))
    assert bench.metrics.admitted.labels("ordinary")._value.get() == 1
    assert bench.metrics.repeated.labels("same")._value.get() == 1
    assert bench.metrics.repeated.labels("conflict")._value.get() == 1
    assert bench.metrics.rejected.labels("invalid")._value.get() == 1


class TestControl:
    async def orders(self, store: MemoryJobs, *bodies: bytes) -> Paper:
        paper = Paper()
        control = ControlJobs(store=store, publisher=paper, topics=TOPICS, clock=lambda: NOW)
        await control([Sent(one, n, "control") for n, one in enumerate(bodies)])
        return paper

    async def test_a_cancel_of_a_job_on_its_way_asks_for_its_end_whatever_runs(self) -> None:
        bench = Bench()
        await bench.admit(Sent(job()))
        (outcome,) = (await self.orders(bench.store, _cancel())).of("outcomes", Outcome)
        assert (outcome.id, outcome.state, outcome.attempt) == ("a", "cancelled", None)

    async def test_a_cancel_of_a_job_that_ended_or_is_not_there_yet_asks_for_nothing(self) -> None:
        bench = Bench()
        await bench.admit(Sent(job()))
        await bench.store.move([Move(tenant="acme", id="a", to="succeeded", attempt=1, source="0@0", at=1.0)])
        assert (await self.orders(bench.store, _cancel(), _cancel("b"))).of("outcomes", Outcome) == []

    async def test_a_broken_order_is_kept_without_a_result(self) -> None:
        (outcome,) = (await self.orders(MemoryJobs(), b'{"id":"a"}')).of("outcomes", Outcome)
        assert outcome.silent
        assert outcome.dead.topic == "control"


def _cancel(id: str = "a") -> bytes:
    return encode({"id": id, "tenant": "acme", "action": "cancel"})
