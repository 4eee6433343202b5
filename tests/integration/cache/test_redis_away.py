"""Redis flushed, stunned, killed, started again, or unwilling: only slower, the answers stay the same."""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
import trustme
from msgspec.structs import replace

pytest.importorskip("redis", reason="needs the extra: redis")

from infra.cache.link import TIMEOUT_S
from infra.cache.redis import RedisCache
from infra.jobstore.remembering import RememberingJobs
from infra.settings import Cache
from streams.ports import Claim, Move
from tests.support.certificates import server_files
from tests.support.counted_jobs import CountedJobs
from tests.support.eventually import eventually
from tests.support.redises import PASSWORD, TestRedis

pytestmark = pytest.mark.integration

CLAIM = Claim(tenant="acme", id="a", fingerprint=b"one", source="0@1@2", submitted_at=1.0, model="m@1", tier="paid")
END = Move(tenant="acme", id="a", to="succeeded", attempt=1, source="0@7", at=5.0)


@pytest.fixture
async def cache(own_redis: TestRedis) -> AsyncIterator[RedisCache]:
    one = RedisCache(own_redis.settings)
    yield one
    await one.close()


async def test_a_value_comes_back_until_its_time_is_over(cache: RedisCache) -> None:
    await remembered(cache)
    await cache.put({"short": b"1"}, 0.05)
    await eventually(lambda: gone(cache, "short"), what="the end of its time")


async def test_of_many_who_ask_for_a_result_in_two_processes_one_reads_the_store(own_redis: TestRedis) -> None:
    store, caches = CountedJobs(), [RedisCache(own_redis.settings) for _ in range(2)]
    first, second = (RememberingJobs(store, one) for one in caches)
    ids = map(str, itertools.count())

    async def read_once() -> bool:
        """With a new job each time: on a busy machine a question may be given up, and is then the store's."""
        id, before = next(ids), store.reads
        await store.claim([replace(CLAIM, id=id)])
        await store.move([replace(END, id=id, result=b"r")])
        rows = await asyncio.gather(*(jobs.get("acme", id) for jobs in (first, second) for _ in range(10)))
        assert {row and row.result for row in rows} == {b"r"}
        return store.reads == before + 1

    await eventually(read_once, what="one read for twenty who asked")
    for one in caches:
        await one.close()


async def gone(cache: RedisCache, key: str) -> bool:
    return await cache.get([key]) == [None]


async def remembered(cache: RedisCache) -> None:
    """On a busy machine the first questions may take longer than they may."""

    async def told() -> bool:
        await cache.put({"a": b"1", "b": b"2"}, 60)
        return await cache.get(["b", "x", "a"]) == [b"2", None, b"1"]

    await eventually(told, what="an answer of Redis")


def flushed(redis: TestRedis) -> None:
    redis.tell("FLUSHALL")


def stunned(redis: TestRedis) -> None:
    redis.server.signal(signal.SIGSTOP)


def killed(redis: TestRedis) -> None:
    redis.server.kill9()


def started_again(redis: TestRedis) -> None:
    redis.server.kill9()
    redis.server.start()


@pytest.mark.parametrize("blow", [flushed, stunned, killed, started_again])
async def test_whatever_happens_to_redis_in_the_middle_the_answers_stay_the_same(
    own_redis: TestRedis, cache: RedisCache, blow: Callable[[TestRedis], None]
) -> None:
    store = CountedJobs()
    jobs = RememberingJobs(store, cache)
    told = []
    for n in range(40):
        if n == 20:
            blow(own_redis)
        ours = replace(CLAIM, id=f"{n}")
        answers = await jobs.claim([ours, replace(ours, source="0@9@9")])
        await jobs.move([replace(END, id=f"{n}")])
        answers += await jobs.claim([replace(ours, source="0@8@8"), replace(ours, fingerprint=b"two", source="0@7@7"), ours])
        told.append([(one.answer, one.state) for one in answers])
    ended = [("same", "succeeded"), ("conflict", "succeeded"), ("replay", "succeeded")]
    assert told == [[("new", "queued"), ("same", "queued"), *ended]] * 40


async def test_a_redis_that_does_not_answer_costs_a_little_a_few_times_and_then_nothing(
    own_redis: TestRedis, cache: RedisCache, caplog: pytest.LogCaptureFixture
) -> None:
    await remembered(cache)
    own_redis.server.signal(signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(200):
        assert await cache.get(["a"]) == [None]
    assert time.monotonic() - began < 200 * TIMEOUT_S / 2
    assert [record.levelname for record in caplog.records if "does not answer" in record.message] == ["WARNING"]


async def test_when_it_comes_back_it_is_used_again(own_redis: TestRedis, cache: RedisCache) -> None:
    own_redis.server.signal(signal.SIGSTOP)
    for _ in range(5):
        await cache.get(["a"])
    own_redis.server.signal(signal.SIGCONT)
    await remembered(cache)


async def test_a_wrong_password_is_a_miss_and_one_line_without_it(own_redis: TestRedis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = RedisCache(Cache(url=own_redis.server.url, password=f"not-{PASSWORD}"), timeout_s=5.0)
    for _ in range(5):
        await wrong.put({"a": b"1"}, 60)
        assert await wrong.get(["a"]) == [None]
    await wrong.close()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "AuthenticationError" in line
    assert PASSWORD not in caplog.text


async def test_over_tls_with_the_servers_authority_named(own_redis: TestRedis, tmp_path: Path) -> None:
    """The packaged server speaks no TLS: what does, stands before it."""
    ca = trustme.CA()
    key_file, ca_file = server_files(tmp_path / "files", ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(key_file)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", own_redis.server.port)
        await asyncio.gather(pipe(reader, inner[1]), pipe(inner[0], writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Cache(url=f"rediss://127.0.0.1:{port}/0", password=PASSWORD, ca_file=str(ca_file))
        for one, answer in ((settings, [b"1"]), (msgspec.structs.replace(settings, ca_file=""), [None])):
            cache = RedisCache(one, timeout_s=10.0)
            await cache.put({"a": b"1"}, 60)
            assert await cache.get(["a"]) == answer
            await cache.close()
