from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from contracts.codec import encode
from contracts.events import Status, Tier
from contracts.metrics import Metrics
from contracts.pools import PoolState, TenantQueue, TierQueue
from contracts.records import Record
from contracts.tenants import Tenant, Tenants
from contracts.topics import Topics
from contracts.work import Outcome, Parked, QueuedJob, Ran
from infra.jobstore.memory import MemoryJobs
from infra.limiter.local import LocalLimiter
from streams.agents.admit import Admit
from streams.agents.control import ControlJobs
from streams.gate import Gate
from streams.policy.cost_model import CostModel
from streams.policy.limit import Answer, Ask, Rates
from streams.policy.outlook import Outlook
from streams.policy.validate import Models
from streams.ports import Claim, Claimed, Move, StoreUnavailable
from tests.support.bad_jobs import USED, good

TOPICS = Topics()
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
    tenants: Tenants = field(default_factory=Tenants)
    limiter: LocalLimiter = field(default_factory=lambda: LocalLimiter(clock=lambda: NOW))
    costs: CostModel = field(default_factory=lambda: CostModel(USED))
    outlook: Outlook = field(default_factory=Outlook)

    @property
    def gate(self) -> Gate:
        return Gate(self.limiter, self.tenants, self.metrics)

    async def admit(self, *records: Sent, models: Any = MODELS) -> Paper:
        parts: dict[str, Any] = {"models": models, "costs": self.costs, "store": self.store, "metrics": self.metrics}
        await Admit(**parts, gate=self.gate, publisher=self.paper, topics=TOPICS, clock=lambda: NOW, outlook=self.outlook)(
            records
        )
        return self.paper

    def restarted(self) -> Bench:
        return Bench(store=self.store, tenants=self.tenants)


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


def limited(**limits: float) -> Bench:
    return Bench(tenants=Tenants(tenants={"acme": Tenant(**limits)}))


async def test_without_limits_nobody_asks_a_limiter() -> None:
    class Never(LocalLimiter):
        async def take(self, asks: Sequence[Ask], everybody: Rates) -> list[Answer]:
            raise AssertionError(asks, everybody)

    paper = await Bench(limiter=Never()).admit(Sent(job()))
    assert states(paper) == ["accepted", "queued"]


async def test_a_job_above_the_rate_is_accepted_and_parked_in_the_line_that_ends_before_its_turn() -> None:
    bench = limited(jobs_per_s=0.1, burst_jobs=1)
    paper = await bench.admit(*(Sent(job(f"{n}"), n) for n in range(3)))
    assert states(paper) == ["accepted", "queued"] * 3
    parked = [(one.partition, msgspec.json.decode(one.value or b"", type=Parked)) for one in paper.calls[1][1:]]
    assert [(line, one.start_at, one.look_at) for line, one in parked] == [(1, NOW + 10, NOW + 4), (2, NOW + 20, NOW + 16)]
    assert bench.metrics.deferred.labels("default", "ordinary")._value.get() == 2


async def test_a_job_whose_turn_comes_soon_queues_with_its_time_in_it() -> None:
    paper = await limited(jobs_per_s=2, burst_jobs=1).admit(Sent(job("0")), Sent(job("1"), 1))
    assert [one.not_before for one in paper.of("queue.default.ordinary", QueuedJob)] == [0.0, NOW + 0.5]


async def test_a_job_above_the_allowance_is_refused_as_busy_with_a_time_and_its_id_stays_free() -> None:
    bench = limited(jobs_per_s=0.1, burst_jobs=1, backlog_jobs=1)
    paper = await bench.admit(*(Sent(job(f"{n}"), n) for n in range(3)))
    (outcome,) = paper.of("outcomes", Outcome)
    assert (outcome.id, outcome.state, outcome.source, outcome.dead) == ("2", "rejected", "jobs/0@2", None)
    assert (outcome.error.code, outcome.error.retryable, outcome.error.retry_after_s) == ("busy", True, 10.0)
    assert bench.metrics.rejected.labels("busy")._value.get() == 1
    bench.limiter = LocalLimiter(clock=lambda: NOW)
    later = await replace(bench, paper=Paper()).admit(Sent(job("2"), 3))
    assert states(later) == ["accepted", "queued"]


async def test_what_was_refused_is_refused_again_by_the_replay_though_there_is_room_by_then() -> None:
    bench = limited(jobs_per_s=0.1, burst_jobs=1, backlog_jobs=0)
    await bench.admit(Sent(job("0")), Sent(job("1"), 1))
    paper = await bench.restarted().admit(Sent(job("1"), 1))
    (outcome,) = paper.of("outcomes", Outcome)
    assert (outcome.error.code, outcome.error.retry_after_s) == ("busy", 1.0)
    assert states(paper) == []


async def test_what_was_accepted_is_not_refused_by_the_replay_though_there_is_no_room_by_then() -> None:
    bench = limited(jobs_per_s=0.1, burst_jobs=1, backlog_jobs=0)
    await bench.admit(Sent(job("0")))
    paper = await replace(bench, paper=Paper()).admit(Sent(job("0")))
    assert states(paper) == ["accepted", "queued"]
    assert [one.topic for one in paper.calls[1]] == ["parked.default"]


async def test_a_job_sent_twice_counts_once() -> None:
    bench = limited(jobs_per_s=0.1, burst_jobs=2, backlog_jobs=0)
    await bench.admit(Sent(job("0")))
    await bench.admit(Sent(job("0"), 1))
    assert states(await replace(bench, paper=Paper()).admit(Sent(job("1"), 2))) == ["accepted", "queued"]


async def test_a_job_that_would_expire_before_its_turn_is_refused() -> None:
    bench = limited(jobs_per_s=0.1, burst_jobs=1)
    paper = await bench.admit(Sent(job("0")), Sent(job("1", ttl_s=15), 1), Sent(job("2", ttl_s=25), 2))
    assert [(one.id, one.error.code) for one in paper.of("outcomes", Outcome)] == [("1", "busy")]


async def test_a_job_dearer_than_its_tenant_may_send_is_too_large_and_its_id_stays_free() -> None:
    bench = limited(max_price_s=0.001)
    paper = await bench.admit(Sent(job("0")), Sent(job("1", tenant="other"), 1))
    (outcome,) = paper.of("outcomes", Outcome)
    assert (outcome.id, outcome.error.code) == ("0", "too_large")
    assert outcome.dead is not None
    assert (outcome.dead.body, outcome.source) == (job("0").decode(), "jobs/0@0")
    assert bench.metrics.rejected.labels("too_large")._value.get() == 1
    assert bench.metrics.rejected.labels("busy")._value.get() == 0
    later = await Bench(store=bench.store).admit(Sent(job("0"), 2))
    assert states(later) == ["accepted", "queued"]


def slow(seconds: float) -> CostModel:
    """Has learned that jobs like these take so long."""
    costs = CostModel(USED)
    for _ in range(5):
        costs.learn(
            Ran(
                key="noop@1/text-to-image/64x64x1", model="noop@1", engine="noop", device="cpu", pixels=4096, rows=1, steps=4,
                row_steps=4, seconds=seconds,
            )
        )  # fmt: skip
    return costs


async def test_a_job_costs_what_was_learned() -> None:
    (by_table,) = (await Bench().admit(Sent(job("0")))).of("queue.default.ordinary", QueuedJob)
    (learned,) = (await Bench(costs=slow(77.0)).admit(Sent(job("0")))).of("queue.default.ordinary", QueuedJob)
    assert by_table.price_s < 0.01
    assert learned.price_s == pytest.approx(77.0, rel=0.01)


async def test_what_was_accepted_is_not_refused_by_the_replay_though_it_costs_too_much_by_then() -> None:
    bench = Bench(paper=Paper(crash_at=0))
    with pytest.raises(Crash):
        await bench.admit(Sent(job("0")))
    dear = Bench(store=bench.store, costs=slow(5000.0))
    paper = await dear.admit(Sent(job("0")), Sent(job("0"), 1), Sent(job("1"), 2))
    assert states(paper)[:2] == ["accepted", "queued"]
    assert [one.id for one in paper.of("queue.default.ordinary", QueuedJob)] == ["0"]
    assert [(one.id, one.error.code) for one in paper.of("outcomes", Outcome)] == [("1", "too_large")]


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


async def test_a_queued_job_is_told_where_it_stands() -> None:
    bench = Bench()
    own = TenantQueue(tenant="acme", jobs=4, gpu_s=20.0, coming=0.0, oldest_at=NOW - 9, newest_at=NOW - 1)
    waiting: dict[Tier, TierQueue] = {"ordinary": TierQueue(jobs=4, gpu_s=20.0, seen_at=NOW, tenants=[own])}
    bench.outlook.learn(PoolState(pool="default", at=NOW, workers=2, tiers=waiting))
    paper = await bench.admit(Sent(job("one")), Sent(job("two"), offset=1))
    one, two = (status.queue for status in paper.of("status", Status) if status.state == "queued")
    assert one is not None
    assert two is not None
    assert (one.position, two.position) == (4, 5)
    assert one.eta_low_s < 10 < one.eta_s < one.eta_high_s < two.eta_high_s
    kept = paper.of("queue.default.ordinary", QueuedJob)
    assert 10 < kept[0].forecast_s < kept[1].forecast_s
    for queued, queue in zip(kept, (one, two), strict=True):
        assert queued.said_s == pytest.approx((queue.eta_low_s, queue.eta_high_s), abs=0.01), "held against what was told"


async def test_nothing_is_said_of_a_pool_of_which_nothing_is_known() -> None:
    paper = await Bench().admit(Sent(job()))
    assert [status.queue for status in paper.of("status", Status)] == [None, None]
