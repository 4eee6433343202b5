"""One suite over every limiter: what it lets in, what it gives a place, what it refuses; nothing makes it give too much."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from contracts.tenants import Limits
from infra.limiter.local import LocalLimiter
from streams.policy.limit import EVERYBODY, FREE, Answer, Ask, Rates, patient, rates
from streams.ports import Limiter
from tests.support.rates import too_many

if TYPE_CHECKING:
    from tests.support.redises import TestRedis

pytestmark = pytest.mark.integration

Clients = Callable[[int], list[Limiter]]
SLOW = rates(Limits(jobs_per_s=0.01, burst_jobs=3, backlog_jobs=2))
"""So slow that nothing comes back while a test runs."""


@pytest.fixture(params=["local", "redis"])
async def clients(request: pytest.FixtureRequest) -> AsyncIterator[Clients]:
    """Any number of clients of one limiter that nobody else has."""
    made: list[Limiter] = []
    if request.param == "local":
        one = LocalLimiter()
        yield lambda count: [one] * count
        return
    pytest.importorskip("redis", reason="needs the extra: redis")
    redis: TestRedis = request.getfixturevalue("redis")
    redis.tell("FLUSHALL")

    def several(count: int) -> list[Limiter]:
        from infra.limiter.redis import RedisLimiter

        fresh: list[Limiter] = [RedisLimiter(redis.settings, timeout_s=10.0) for _ in range(count)]
        made.extend(fresh)
        return fresh

    yield several
    for limiter in made:
        await limiter.close()


@pytest.fixture
def limiter(clients: Clients) -> Limiter:
    return clients(1)[0]


def ask(of: Rates = SLOW, tenant: str = "acme", price_s: float = 1.0, patience_s: float | None = None) -> Ask:
    return Ask(tenant=tenant, rates=of, price_s=price_s, patience_s=patience_s)


async def taken(limiter: Limiter, *asks: Ask, everybody: Rates = FREE) -> list[Answer]:
    return await limiter.take(asks, everybody)


def waits(answers: Sequence[Answer]) -> list[float | str]:
    """Seconds, about; what was refused says so."""
    return ["busy" if one.retry_after_s else round(one.wait_s, -1) for one in answers]


async def test_a_burst_goes_at_once_what_follows_gets_places_one_after_another_and_the_rest_is_refused(limiter: Limiter) -> None:
    answers = await taken(limiter, *[ask()] * 3) + await taken(limiter, *[ask()] * 4)
    assert waits(answers) == [0, 0, 0, 100, 200, "busy", "busy"]
    assert answers[-1].retry_after_s == pytest.approx(100, abs=5)
    assert answers[4].start_at == pytest.approx(limiter.now() + 200, abs=5)


async def test_gpu_seconds_are_limited_as_jobs_are_and_the_scarcer_decides(limiter: Limiter) -> None:
    both = rates(Limits(jobs_per_s=0.1, burst_jobs=10, gpu_s_per_s=0.1, burst_gpu_s=5, backlog_gpu_s=4))
    prices = [2.0, 3.0, 4.0, 1.0, 0.0]
    assert waits(await taken(limiter, *[ask(both, price_s=one) for one in prices])) == [0, 0, 40, "busy", 40]


async def test_a_refused_job_takes_nothing(limiter: Limiter) -> None:
    tight = rates(Limits(gpu_s_per_s=0.01, burst_gpu_s=3, backlog_gpu_s=0))
    asked = [ask(tight, price_s=one) for one in (1.0, 3.0, 3.0, 2.0)]
    assert waits(await taken(limiter, *asked)) == [0, "busy", "busy", 0]


async def test_a_job_dearer_than_the_burst_goes_when_the_bucket_is_full(limiter: Limiter) -> None:
    small = rates(Limits(gpu_s_per_s=1, burst_gpu_s=2, backlog_gpu_s=5))
    assert waits(await taken(limiter, ask(small, price_s=50.0), ask(small, price_s=50.0))) == [0, "busy"]


async def test_a_job_that_would_expire_while_it_waits_is_refused_at_once(limiter: Limiter) -> None:
    await taken(limiter, *[ask()] * 3)
    assert waits(await taken(limiter, ask(patience_s=90), ask(patience_s=110))) == ["busy", 100]


async def test_tenants_do_not_feel_one_another_nor_do_names_that_look_alike(limiter: Limiter) -> None:
    await taken(limiter, *[ask(tenant="greedy")] * 10)
    assert waits(await taken(limiter, *[ask(tenant=name) for name in ("acme", "greed", "greedy:", "Greedy")])) == [0] * 4


async def test_all_together_are_limited_and_a_job_that_waits_for_its_tenants_turn_takes_nothing_of_that(limiter: Limiter) -> None:
    everybody = rates(Limits(jobs_per_s=0.01, burst_jobs=5, backlog_jobs=1))
    greedy = await taken(limiter, *[ask(tenant="greedy")] * 5, everybody=everybody)
    assert [(one.paid, wait) for one, wait in zip(greedy, waits(greedy), strict=True)] == [(True, 0)] * 3 + [
        (False, 100),
        (False, 200),
    ]
    others = await taken(limiter, *[ask(FREE, tenant="other")] * 4, everybody=everybody)
    assert waits(others) == [0, 0, 100, "busy"]
    assert [one.paid for one in others] == [True, True, True, False]


async def test_a_job_whose_tenants_turn_has_come_asks_for_everybodys_alone(limiter: Limiter) -> None:
    everybody = rates(Limits(jobs_per_s=0.01, burst_jobs=1, backlog_jobs=1))
    due = Ask(tenant=EVERYBODY, rates=FREE, price_s=1.0)
    assert waits(await taken(limiter, due, due, everybody=everybody)) == [0, 100]
    assert waits(await taken(limiter, due, due, everybody=patient(everybody))) == [200, 300]


async def test_what_is_given_back_is_there_for_the_next(limiter: Limiter) -> None:
    everybody = rates(Limits(jobs_per_s=0.01, burst_jobs=3))
    asks = [ask()] * 4
    answers = await taken(limiter, *asks, everybody=everybody)
    await limiter.give_back(list(zip(asks, answers, strict=True))[1:], everybody)
    assert waits(await taken(limiter, *asks, everybody=everybody)) == [0, 0, 100, 200]


async def test_a_tenant_without_limits_is_never_told_to_wait(limiter: Limiter) -> None:
    assert waits(await taken(limiter, *[ask(FREE)] * 50)) == [0] * 50


async def test_a_bucket_fills_again_at_its_rate(limiter: Limiter) -> None:
    quick = rates(Limits(jobs_per_s=1000, burst_jobs=1, backlog_jobs=300))
    answers = await taken(limiter, *[ask(quick)] * 200)
    assert answers[-1].wait_s == pytest.approx(0.199, abs=1e-3)
    while limiter.now() < answers[-1].start_at:  # noqa: ASYNC110 - a limiter wakes nobody
        await asyncio.sleep(0.005)
    assert (await taken(limiter, ask(quick)))[0].wait_s < 0.1


async def storm(each: Sequence[Limiter], of: Rates, everybody: Rates, until: float) -> list[float]:
    """Clients that all ask as fast as they can; when what they asked for may go."""
    starts: list[float] = []

    async def hammer(limiter: Limiter, seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < until:
            asks = [ask(of) for _ in range(dice.randint(1, 40))]
            starts.extend(one.start_at for one in await limiter.take(asks, everybody) if not one.retry_after_s)
            await asyncio.sleep(0)

    await asyncio.gather(*(hammer(limiter, seed) for seed, limiter in enumerate(each)))
    return starts


LIMIT = rates(Limits(jobs_per_s=200, burst_jobs=50, backlog_jobs=20))


async def excess(each: Sequence[Limiter], limits: tuple[Rates, Rates], patch: pytest.MonkeyPatch, jump: float) -> str:
    """What sixteen clients got too much of in a while, on a machine whose clock is set meanwhile."""
    real, began = time.time, time.monotonic()
    asyncio.get_running_loop().call_later(0.2, patch.setattr, time, "time", lambda: real() + jump)
    starts = await storm(each, *limits, began + 0.5)
    assert len(starts) > 50, "hardly anything was let in"
    # By a clock that somebody sets, the times alone would look well.
    most = 50 + 20 + 200 * (time.monotonic() - began)
    return too_many(starts, per_s=200, burst=50) or (f"{len(starts)} jobs" if len(starts) > most + 1 else "")


@pytest.mark.parametrize("jump", [0.0, 60.0, -60.0])
@pytest.mark.parametrize("limits", [(LIMIT, FREE), (FREE, LIMIT)], ids=["tenant", "everybody"])
async def test_sixteen_clients_whose_clocks_jump_get_nothing_too_much(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, limits: tuple[Rates, Rates], jump: float
) -> None:
    assert not await excess(clients(16), limits, monkeypatch, jump)


class LooksFirst(LocalLimiter):
    """Wrong: somebody else may take between its look and its taking."""

    async def take(self, asks: Sequence[Ask], everybody: Rates) -> list[Answer]:
        kept = dict(self.buckets._full_at)
        answers = await super().take(asks, everybody)
        after, self.buckets._full_at = self.buckets._full_at, kept
        await asyncio.sleep(0)
        self.buckets._full_at |= after
        return answers


class ByTheWall(LocalLimiter):
    """Wrong: believes whoever sets the clock."""

    def __init__(self) -> None:
        def wall() -> float:
            return time.time()

        super().__init__(clock=wall)


@pytest.mark.parametrize(("wrong", "jump"), [(LooksFirst, 0.0), (ByTheWall, 60.0)])
async def test_a_limiter_that_gives_too_much_is_caught(
    wrong: Callable[[], Limiter], jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await excess([wrong()] * 16, (LIMIT, FREE), monkeypatch, jump)


def test_whoever_counts_finds_one_job_too_many() -> None:
    fair = [0.0] * 50 + [n / 200 for n in range(1, 100)]
    assert not too_many(fair, per_s=200, burst=50)
    assert too_many([*fair, 0.25], per_s=200, burst=50)
