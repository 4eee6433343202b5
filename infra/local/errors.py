"""What can go wrong with a server on this machine, in words a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.tail import tail

if TYPE_CHECKING:
    from pathlib import Path

TAIL_LINES = 25


class LocalServerError(Exception):
    """Any failure of a server on this machine; its text says what happened and what to do."""


class JarUnavailableError(LocalServerError):
    """A pinned jar could not be downloaded, or its bytes are not the pinned ones."""


class DidNotStart(LocalServerError):
    """It ended early or did not answer in time; carries the end of its log."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        """Keep the last log lines apart, and show all."""
        self.tail = tail(log, TAIL_LINES)
        super().__init__(f"{name} did not start: {reason}. The end of {log}:\n{self.tail}")


class PortInUseError(LocalServerError):
    """Another program listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        """Name the port."""
        super().__init__(f"Port {port} is in use by another program. Stop it, or choose another port.")
        self.port = port


class DataDirInUseError(LocalServerError):
    """A living process already runs on this folder."""

    def __init__(self, data_dir: Path, owner: int | None) -> None:
        """Name the folder and, where known, the process."""
        who = f"process {owner}" if owner else "another process"
        super().__init__(f"{data_dir} is in use by {who}. Stop that one, or choose another folder.")
        self.owner = owner


class NoDiskSpaceError(LocalServerError):
    """The disk of the data folder is all but full; Kafka would fail at its first write."""

    def __init__(self, data_dir: Path, free: int) -> None:
        """Say how much is left, in bytes."""
        super().__init__(f"Only {free >> 20} MiB free on the disk of {data_dir}; Kafka needs some hundreds.")
        self.free = free
