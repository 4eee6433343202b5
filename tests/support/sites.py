"""A web server on loopback that does as badly as it is told, and counts who comes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.images import png

PICTURE = png(16)
Page = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""A whole response, or what writes one."""


def answer(body: bytes = PICTURE, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A response as bytes; `_` in a header's name is a dash."""
    lines = {"Content-Type": "image/png", "Content-Length": str(len(body) if length is None else length)}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def moved(location: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return answer(b"", status, Location=location)


@dataclass
class Site:
    """A running server."""

    pages: Mapping[str, Page] | None
    """By path; None: a picture everywhere."""
    host: str = "127.0.0.1"
    port: int = 0
    requests: list[str] = field(default_factory=list)
    """Request heads, as they came."""
    connections: int = 0
    visits: dict[asyncio.Task[Any], asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self.visits[task] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests.append(head)
            page = answer() if self.pages is None else self.pages.get(head.split(" ")[1], answer(b"no", "404 Not Found"))
            if isinstance(page, bytes):
                writer.write(page)
            else:
                await page(writer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def site(
    pages: Mapping[str, Page] | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """Serve pages by path, or a picture everywhere."""
    one = Site(pages=pages, host=host)
    listener = socket.create_server((host, 0))
    one.port = listener.getsockname()[1]
    server = await asyncio.start_server(one.serve, sock=listener, ssl=tls)
    try:
        yield one
    finally:
        server.close()
        for visit, writer in one.visits.items():
            visit.cancel()
            writer.transport.abort()
        await asyncio.gather(*one.visits, return_exceptions=True)
