"""What a GPU consumer needs from outside, as small Protocols. Adapters live in `infra/`; only `app.py` names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

NO_HEADERS: list[tuple[str, bytes]] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """One object to keep."""

    key: str
    """Made by `gpu_consumers.upload`: unique to the run, so storing it again never touches another run's."""
    body: bytes
    media_type: str


class ObjectStore(Protocol):
    """Where outputs are kept. Every method may raise `ObjectsUnavailable`; calling again is always safe."""

    async def put(self, objects: Sequence[StoredObject]) -> list[str]:
        """Keep objects under their keys, replacing what was there; returns a URL for each. None is ever seen half-written."""
        ...

    async def get(self, key: str) -> bytes:
        """The whole object. Raises `NoSuchObject`."""
        ...

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is absent is no error."""
        ...


class ObjectsUnavailable(Exception):
    """The object store did not answer. Trying again later is right; nothing was lost."""


class NoSuchObject(LookupError):
    """No object has this key, or it is no key at all."""


class Record(NamedTuple):
    """A Kafka record to write; key and value are ready bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = NO_HEADERS
    partition: int | None = None
    """None: by the key, as Kafka's default partitioner chooses."""


class Publisher(Protocol):
    """Writes records in order, partition by partition."""

    async def publish(self, records: Sequence[Record]) -> object:
        """Returns when the broker has acknowledged all of them, however long that takes."""
        ...
