"""What our object stores can do beyond what their users ask for in their ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gpu_consumers.ports import ObjectStore


class Objects(ObjectStore, Protocol):
    """An object store as composition roots and commands see it."""

    def get_now(self, key: str) -> bytes:
        """`get`, blocking."""
        ...

    def list_now(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with this. Blocking."""
        ...

    def url_of(self, key: str) -> str:
        """Where an object is, as results tell. Holds no secret."""
        ...

    def link(self, key: str, url: str, ttl_s: int) -> str:
        """An address from which anybody can fetch the object for `ttl_s` seconds. For whose eyes is the caller's business.

        `url` is what the result says. Raises NoSuchObject if the object with this key would not be there.
        """
        ...

    async def tidy(self) -> None:
        """Remove what processes left that died while they stored something. Raises ObjectsUnavailable."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...
