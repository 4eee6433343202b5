"""A small proxy before a server, which lets traffic pass or spoils it: how outages of stores are made.

It knows TCP, and of HTTP just enough to answer in the server's stead. A store is put behind it by the port in its URL.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from loadtest.storm.faults import Fault

Mode = Literal["pass", "refuse", "hang", "slow", "cut", "answer"]
"""refuse: connections are reset. hang: they are taken and nothing ever comes. slow: what the server sends is held back.
cut: the server's answer ends in the middle. answer: an HTTP status is sent in the server's stead."""

CHUNK = 65_536
HEADER_END = b"\r\n\r\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weather:
    """How traffic fares now."""

    mode: Mode = "pass"
    status: int = 503
    """Of `answer`."""
    delay_s: float = 0.5
    """Of `slow`, for each piece of what the server sends."""
    after_bytes: int = 100
    """Of `cut`: so much of the answer comes through."""


FAIR = Weather()


class Proxy:
    """Listens on loopback and passes on to one server."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.weather = FAIR

    @property
    def port(self) -> int:
        """Of the proxy; known once it is started."""
        assert self._server
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        self._reset()
        for one in self._serving:
            one.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def turn(self, weather: Weather) -> None:
        """Change the weather: open connections break, as they do when a server goes."""
        self.weather = weather
        self._reset()

    def _reset(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self.weather
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._treat(weather, reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _treat(self, weather: Weather, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if weather.mode == "hang":
            while await reader.read(CHUNK):
                pass
        elif weather.mode == "answer":
            await _answer(reader, writer, weather.status)
        elif weather.mode != "refuse":
            await self._pass(weather, reader, writer)

    async def _pass(self, weather: Weather, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._upstream)
        self._open.add(to_server)
        try:
            onward = asyncio.ensure_future(_copy(reader, to_server, FAIR))
            try:
                await _copy(from_server, writer, weather)
            finally:
                onward.cancel()
                await asyncio.gather(onward, return_exceptions=True)
        finally:
            self._open.discard(to_server)
            to_server.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather) -> None:
    left = weather.after_bytes if weather.mode == "cut" else None
    while piece := await reader.read(CHUNK if left is None else min(CHUNK, left)):
        if weather.mode == "slow":
            await asyncio.sleep(weather.delay_s)
        writer.write(piece)
        await writer.drain()
        left = None if left is None else left - len(piece)
        if left == 0:
            return
    if writer.can_write_eof():
        writer.write_eof()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int) -> None:
    """Answer every request on this connection with a status, its body read and dropped."""
    while True:
        head = await reader.readuntil(HEADER_END)
        await reader.readexactly(_body_length(head))
        writer.write(f"HTTP/1.1 {status} Storm\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


class Outages:
    """The proxy as `faults.Actor`: each outage is the next kind of bad weather, for as long as the fault says."""

    def __init__(self, name: str, proxy: Proxy, kinds: Sequence[Weather]) -> None:
        self.name = name
        self.life = 1
        self._proxy, self._kinds = proxy, kinds

    async def ready(self) -> None:
        """It always is."""

    async def strike(self, fault: Fault) -> None:
        self._proxy.turn(self._kinds[(self.life - 1) % len(self._kinds)])
        try:
            await asyncio.sleep(fault.hold_s)
        finally:
            self._proxy.turn(FAIR)
        self.life += 1
