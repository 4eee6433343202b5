"""What a GPU consumer needs from outside, as small Protocols. Adapters live in `infra/`; only `app.py` names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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
