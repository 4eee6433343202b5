"""The pictures that jobs start from, fetched from the object store before their batch runs."""

from __future__ import annotations

import asyncio
import logging

from gpu_consumers.flight import Flight
from gpu_consumers.frames import Unmade
from gpu_consumers.ports import NoSuchObject, ObjectStore, ObjectsUnavailable
from gpu_consumers.upload import safe

log = logging.getLogger(__name__)


class Images:
    """Fetches inputs by object key. A tenant sees its own objects only: keys begin with the tenant's name."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def of(self, flight: Flight) -> tuple[dict[int, bytes], list[Unmade]]:
        """Pictures by place in the batch, and the jobs that cannot have theirs."""
        wanted = {p: e.job.inputs.image for p, e in enumerate(flight.entries) if e.job.inputs.image is not None}
        if not wanted:
            return {}, []
        found = await asyncio.gather(*(self._one(flight, place, key) for place, key in wanted.items()))
        images = {place: one for place, one in zip(wanted, found, strict=True) if isinstance(one, bytes)}
        return images, [one for one in found if isinstance(one, Unmade)]

    async def _one(self, flight: Flight, place: int, key: str) -> bytes | Unmade:
        if not key.startswith(f"{safe(flight.entries[place].queued.tenant)}/"):
            return _failed(place, "invalid", "inputs.image: is not the key of one of your objects", retryable=False)
        try:
            return await self._store.get(key)
        except NoSuchObject:
            return _failed(place, "invalid", "inputs.image: there is no such object", retryable=False)
        except ObjectsUnavailable:
            return _failed(place, "objects_unavailable", "the object store does not answer", retryable=True)


def _failed(place: int, code: str, message: str, *, retryable: bool) -> Unmade:
    return Unmade(place=place, state="failed", code=code, message=message, retryable=retryable)
