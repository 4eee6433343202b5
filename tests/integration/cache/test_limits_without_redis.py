"""The limiter's Redis flushed, killed, stunned: one burst too much at most, and never an error."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

pytest.importorskip("redis", reason="needs the extra: redis")

from contracts.tenants import Limits
from infra.limiter.redis import RedisLimiter
from streams.policy.limit import FREE, Answer, Ask, rates
from tests.support.eventually import eventually
from tests.support.redises import PASSWORD, TestRedis

pytestmark = pytest.mark.integration

BURST = 20
OF = rates(Limits(jobs_per_s=0.01, burst_jobs=BURST, backlog_jobs=0))
ASK = Ask(tenant="acme", rates=OF, price_s=1.0)


@pytest.fixture
async def limiters(own_redis: TestRedis) -> AsyncIterator[list[RedisLimiter]]:
    """Those of two processes, each with half of the partitions."""
    both = [RedisLimiter(own_redis.settings, lambda: 0.5, timeout_s=5.0) for _ in range(2)]
    yield both
    for one in both:
        await one.close()


async def let_in(limiters: Sequence[RedisLimiter], times: int = 40) -> int:
    answers: list[Answer] = []
    for _ in range(times):
        for one in limiters:
            answers += await one.take([ASK], FREE)
    return sum(not one.retry_after_s for one in answers)


def flushed(redis: TestRedis) -> None:
    redis.tell("FLUSHALL")


def killed(redis: TestRedis) -> None:
    redis.server.kill9()


def started_again(redis: TestRedis) -> None:
    redis.server.kill9()
    redis.server.start()


@pytest.mark.parametrize(("blow", "most"), [(flushed, BURST), (started_again, BURST), (killed, 0)])
async def test_whatever_happens_to_redis_at_most_one_burst_is_let_in_too_much(
    own_redis: TestRedis, limiters: list[RedisLimiter], blow: Callable[[TestRedis], None], most: int
) -> None:
    assert await let_in(limiters) == BURST
    blow(own_redis)
    assert await let_in(limiters) <= most


async def test_processes_that_go_on_by_themselves_share_what_is_left(own_redis: TestRedis, limiters: list[RedisLimiter]) -> None:
    for one in limiters:
        await one.take([ASK] * 5, FREE)
    killed(own_redis)
    # The first of the two heard of the buckets before the second took its five.
    assert BURST - 10 <= await let_in(limiters) <= BURST - 5


async def test_a_redis_that_does_not_answer_costs_a_little_a_few_times_and_is_used_again_when_it_comes_back(
    own_redis: TestRedis, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = RedisLimiter(own_redis.settings)
    await eventually(lambda: _heard(limiter), what="an answer of Redis")
    own_redis.server.signal(signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(200):
        await limiter.take([ASK], FREE)
    assert time.monotonic() - began < 200 * 0.05 / 2
    own_redis.server.signal(signal.SIGCONT)
    await eventually(lambda: _heard(limiter), what="an answer of Redis")
    assert PASSWORD not in caplog.text
    await limiter.close()


async def test_who_asks_for_nothing_hears_the_time_of_the_server_all_the_same(
    own_redis: TestRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 60)
    limiter = RedisLimiter(own_redis.settings, timeout_s=5.0)
    assert limiter.now() - real() > 50
    assert await limiter.take([], FREE) == []
    assert abs(limiter.now() - real()) < 5
    await limiter.close()


async def _heard(limiter: RedisLimiter) -> bool:
    before = limiter._ahead
    await limiter.take([ASK], FREE)
    return limiter._ahead != before
