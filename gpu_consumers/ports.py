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
    sha256: str = ""
    """Hexadecimal, from where the body was made: the store checks that it got these bytes. Empty if nobody knows."""


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


class Fetcher(Protocol):
    """Where pictures given by URL come from."""

    async def fetch(self, url: str) -> bytes:
        """The file at a URL. Raises `PictureRefused` or `PictureUnavailable`, whose texts hold nothing of the URL."""
        ...


class PictureRefused(Exception):
    """This URL, or what is behind it, is nothing we take: the job's own fault."""


class PictureUnavailable(Exception):
    """The picture did not come this time. Trying again later may be better."""


class ObjectsUnavailable(Exception):
    """The object store did not answer. Trying again later is right; nothing was lost."""


class DamagedObject(Exception):
    """The bytes are not those that were made. Storing them again would not help."""


class NoSuchObject(LookupError):
    """No object has this key, or it is no key at all."""
