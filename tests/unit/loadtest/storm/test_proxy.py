"""The fault proxy before a real server on a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from loadtest.storm.faults import Fault
from loadtest.storm.proxy import FAIR, Outages, Proxy, Weather
from tests.support.eventually import eventually

BODY = b"x" * 5000
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Before a server that gives the same good answer to each request."""

    serving: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(GOOD)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
            serving.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        async with Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as one:
            yield one
        await eventually(lambda: not serving)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, body: bytes = b"") -> None:
        self.writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await self.writer.drain()

    async def rest(self) -> bytes:
        """What comes until the connection ends, in whatever way."""
        got = bytearray()
        try:
            async with asyncio.timeout(10):
                while piece := await self.reader.read(65536):
                    got += piece
        except ConnectionError:
            pass
        return bytes(got)


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    """Connected once the weather is set: see `connect`."""
    one = await connect(proxy)
    yield one
    one.writer.close()


async def connect(proxy: Proxy) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def exchange(proxy: Proxy, weather: Weather) -> bytes:
    proxy.turn(weather)
    one = await connect(proxy)
    await one.ask()
    got = await one.rest()
    one.writer.close()
    return got


async def test_in_fair_weather_everything_passes_both_ways(client: Client) -> None:
    for _ in range(3):
        await client.ask()
        assert await client.reader.readexactly(len(GOOD)) == GOOD


@pytest.mark.parametrize("status", [500, 503])
async def test_it_answers_in_the_servers_stead_request_after_request(proxy: Proxy, status: int) -> None:
    proxy.turn(Weather(mode="answer", status=status))
    one = await connect(proxy)
    for _ in range(3):
        await one.ask(b"a body that must not be taken for a request\r\n\r\n")
        assert (await one.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)
    one.writer.close()


async def test_an_answer_is_cut_off(proxy: Proxy) -> None:
    assert await exchange(proxy, Weather(mode="cut", after_bytes=100)) == GOOD[:100]


async def test_a_refused_connection_brings_nothing(proxy: Proxy) -> None:
    assert await exchange(proxy, Weather(mode="refuse")) == b""


async def test_a_slow_server_answers_late(proxy: Proxy) -> None:
    proxy.turn(Weather(mode="slow", delay_s=0.3))
    one, began = await connect(proxy), time.monotonic()
    await one.ask()
    assert await one.reader.readexactly(len(GOOD)) == GOOD
    assert time.monotonic() - began >= 0.3
    one.writer.close()


async def test_a_hanging_server_says_nothing_until_the_weather_turns(proxy: Proxy) -> None:
    proxy.turn(Weather(mode="hang"))
    one = await connect(proxy)
    await one.ask()
    waiting = asyncio.ensure_future(one.rest())
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    proxy.turn(FAIR)
    assert await waiting == b""
    one.writer.close()


async def test_an_outage_breaks_what_is_open_and_passes(proxy: Proxy, client: Client) -> None:
    await client.ask()
    assert await client.reader.readexactly(len(GOOD)) == GOOD
    outages = Outages("objects", proxy, [Weather(mode="refuse")])
    striking = asyncio.ensure_future(outages.strike(Fault(actor="objects", blow="outage", after_s=0, hold_s=0.3)))
    await eventually(lambda: proxy.weather != FAIR)
    assert await client.rest() == b""
    await striking
    assert proxy.weather == FAIR
    assert outages.life == 2
