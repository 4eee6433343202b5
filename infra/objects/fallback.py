"""Two stores, the second for what the first cannot take: an outage of one costs no upload."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from contracts.metrics import Metrics
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject
from infra.objects.store import Objects

log = logging.getLogger(__name__)

AVOIDED_S = 10.0
"""So long the first is not tried for puts after it failed: its timeouts would be paid by every upload."""


class Fallback:
    """Implements infra.objects.store.Objects. A result's URL says in which of the two an output is."""

    def __init__(self, first: Objects, second: Objects, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._first, self._second = first, second
        self._metrics = metrics
        self._clock = clock
        self._avoided_until = clock()

    async def put(self, objects: Sequence[StoredObject]) -> list[str]:
        if self._clock() >= self._avoided_until:
            try:
                return await self._first.put(objects)
            except ObjectsUnavailable as error:
                log.warning("objects go to the second store: the first fails (%s)", error)
                self._avoided_until = self._clock() + AVOIDED_S
        urls = await self._second.put(objects)
        self._metrics.second_store.inc(len(objects))
        return urls

    async def get(self, key: str) -> bytes:
        return await asyncio.to_thread(self.get_now, key)

    def get_now(self, key: str) -> bytes:
        """From whichever has it."""
        away: ObjectsUnavailable | None = None
        try:
            return self._first.get_now(key)
        except ObjectsUnavailable as error:
            away = error
        except NoSuchObject:
            pass
        try:
            return self._second.get_now(key)
        except NoSuchObject:
            # Nobody knows whether the first has it.
            raise away or NoSuchObject("no object has this key") from None

    async def remove(self, keys: Sequence[str]) -> None:
        """From both: what the first took before it failed is there under the same key."""
        await self._both(lambda store: store.remove(keys))

    def list_now(self, prefix: str = "") -> Iterator[str]:
        """Keys in either, each once."""
        yield from sorted({*self._first.list_now(prefix), *self._second.list_now(prefix)})

    def url_of(self, key: str) -> str:
        return self._first.url_of(key)

    def link(self, key: str, url: str, ttl_s: int) -> str:
        try:
            return self._first.link(key, url, ttl_s)
        except NoSuchObject:
            return self._second.link(key, url, ttl_s)

    async def tidy(self) -> None:
        await self._both(lambda store: store.tidy())

    def close(self) -> None:
        self._first.close()
        self._second.close()

    async def _both(self, do: Callable[[Objects], Awaitable[None]]) -> None:
        """Do it in both, even if the first is away; then say so."""
        failure: ObjectsUnavailable | None = None
        for store in (self._first, self._second):
            try:
                await do(store)
            except ObjectsUnavailable as error:
                failure = error
        if failure:
            raise failure
