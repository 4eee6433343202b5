"""A TCP line to a server that a test can cut: answers or requests that never arrive, connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Line:
    """Passes bytes on, but for what it was told to lose."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.lose_requests = 0
        """How many more pieces of what clients say are lost."""
        self.lose_answers = 0
        """How many more pieces of what the server says are lost."""
        self.lost = asyncio.Event()
        """Set once something was."""
        self.passed = 0
        """Pieces that came through, either way."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        back, forth = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, forth}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, forth, "lose_requests"))
                group.create_task(self._pump(back, writer, "lose_answers"))
        except* OSError:
            pass
        finally:
            self._writers -= {writer, forth}
            for one in (writer, forth):
                one.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: str) -> None:
        while piece := await source.read(1 << 20):
            if left := getattr(self, losing):
                setattr(self, losing, left - 1)
                self.lost.set()
                continue
            self.passed += 1
            sink.write(piece)
            await sink.drain()
        with suppress(OSError):
            sink.write_eof()

    def break_all(self) -> None:
        """Every connection ends at once; new ones are taken."""
        for one in self._writers:
            one.transport.abort()


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """A line to a server on loopback, until the end of the block."""
    line = Line(port)
    server = await asyncio.start_server(line.serve, "127.0.0.1")
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.break_all()
        await server.wait_closed()
