"""A cache in Redis (or what speaks like it). Slow, away, flushed or wrong: it answers that it knows nothing, soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from infra.cache.link import TIMEOUT_S, RedisLink
from infra.settings import Cache


class RedisCache:
    """Values by key, each for a time. No method raises: what fails is a miss, or is not remembered."""

    def __init__(self, settings: Cache, *, clock: Callable[[], float] = time.monotonic, timeout_s: float = TIMEOUT_S) -> None:
        self._link = RedisLink(settings, clock=clock, timeout_s=timeout_s)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """A value for each key, None where there is none."""
        nothing: list[bytes | None] = [None] * len(keys)
        names = [self._link.prefix + key for key in keys]
        return await self._link.ask(lambda: self._link.redis.mget(names), nothing) if keys else nothing

    async def put(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep values for so many seconds, replacing those that are there."""
        if values:
            await self._link.ask(lambda: self._put(values, ttl_s), None)

    async def _put(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        pipe = self._link.redis.pipeline(transaction=False)
        for key, value in values.items():
            pipe.set(self._link.prefix + key, value, px=int(ttl_s * 1000))
        await pipe.execute()

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep a value where there is none. False if there is one; True where nobody can tell, so that nobody waits."""
        name = self._link.prefix + key
        return bool(
            await self._link.ask(lambda: self._link.redis.set(name, value, px=int(ttl_s * 1000), nx=True), otherwise=True)
        )

    async def drop(self, keys: Sequence[str]) -> None:
        """Forget values."""
        names = [self._link.prefix + key for key in keys]
        await self._link.ask(lambda: self._link.redis.delete(*names), 0)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._link.close()
