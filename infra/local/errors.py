"""What can go wrong with the local Kafka, in words a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LocalKafkaError(Exception):
    """Any failure of the local Kafka; its text says what happened and what to do."""


class JarUnavailableError(LocalKafkaError):
    """A jar of Kafka could not be downloaded, or its bytes are not the pinned ones."""


class KafkaDidNotStart(LocalKafkaError):
    """Kafka ended early or did not answer in time; carries the end of its log."""

    def __init__(self, reason: str, log: Path, tail: str) -> None:
        """Keep the reason and the last log lines apart, and show both."""
        super().__init__(f"Kafka did not start: {reason}. The end of {log}:\n{tail}")
        self.reason = reason
        self.tail = tail


class PortInUseError(LocalKafkaError):
    """Another program listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        """Name the port."""
        super().__init__(f"Port {port} is in use by another program. Stop it, or choose another port.")
        self.port = port


class DataDirInUseError(LocalKafkaError):
    """A living process already runs Kafka on this folder."""

    def __init__(self, data_dir: Path, owner: int | None) -> None:
        """Name the folder and, where known, the process."""
        who = f"process {owner}" if owner else "another process"
        super().__init__(f"{data_dir} is in use by {who}. Stop that one, or choose another folder.")
        self.owner = owner


class NoDiskSpaceError(LocalKafkaError):
    """The disk of the data folder is all but full; Kafka would fail at its first write."""

    def __init__(self, data_dir: Path, free: int) -> None:
        """Say how much is left, in bytes."""
        super().__init__(f"Only {free >> 20} MiB free on the disk of {data_dir}; Kafka needs some hundreds.")
        self.free = free
