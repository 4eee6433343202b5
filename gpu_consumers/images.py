"""The pictures that jobs start from, fetched from the object store or by URL before their batch runs."""

from __future__ import annotations

import asyncio
import logging

from contracts.errors import ErrorCode
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Unmade
from gpu_consumers.ports import (
    Fetcher,
    NoSuchObject,
    ObjectStore,
    ObjectsUnavailable,
    PictureRefused,
    PictureUnavailable,
)
from gpu_consumers.upload import safe

UNAVAILABLE: ErrorCode = "image_unavailable"
log = logging.getLogger(__name__)


BATCH_BYTES = 512 * 1_048_576
"""Pictures of one batch, together: they go to the engine process in one frame and lie in memory twice on the way."""


BATCH_S = 30.0
"""All pictures of one batch, together (seconds): whoever sends slow URLs must not keep the others waiting for long."""


class Room:
    """Bytes left for the pictures of one batch."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, size: int) -> None:
        """Make room for one. Raises `PictureUnavailable`: tried again, it is in another batch."""
        if size > self._left:
            raise PictureUnavailable("the pictures of its batch are too large together")
        self._left -= size


class Images:
    """Fetches inputs by object key or URL. A tenant sees its own objects only: keys begin with the tenant's name."""

    def __init__(self, store: ObjectStore, fetcher: Fetcher) -> None:
        self._store = store
        self._fetcher = fetcher

    @staticmethod
    def wanted(flight: Flight) -> dict[int, str]:
        """Which jobs of a batch start from which picture."""
        return {p: e.job.inputs.image for p, e in enumerate(flight.entries) if e.job.inputs.image is not None}

    async def of(self, flight: Flight) -> tuple[dict[int, bytes], list[Unmade]]:
        """Pictures by place in the batch, and the jobs that cannot have theirs."""
        wanted = self.wanted(flight)
        room, until = Room(BATCH_BYTES), asyncio.get_running_loop().time() + BATCH_S
        found = await asyncio.gather(*(self._one(flight, place, image, room, until) for place, image in wanted.items()))
        images = {place: one for place, one in zip(wanted, found, strict=True) if isinstance(one, bytes)}
        return images, [one for one in found if isinstance(one, Unmade)]

    async def _one(self, flight: Flight, place: int, image: str, room: Room, until: float) -> bytes | Unmade:
        try:
            async with asyncio.timeout_at(until):
                found = await (self._fetcher.fetch(image) if "://" in image else self._stored(flight, place, image))
            room.take(len(found))
        except (PictureRefused, PictureUnavailable) as error:
            return _failed(place, UNAVAILABLE, str(error), retryable=isinstance(error, PictureUnavailable))
        except TimeoutError:
            return _failed(place, UNAVAILABLE, "the pictures of its batch took too long together", retryable=True)
        except NoSuchObject:
            return _failed(place, "invalid", "there is no such object", retryable=False)
        except ObjectsUnavailable:
            return _failed(place, "storage", "the object store does not answer", retryable=True)
        except Exception as error:  # noqa: BLE001 - a bug that one picture brings out must not end the worker
            # Not its text, which may quote the URL.
            log.error("an input picture could not be fetched (%s)", type(error).__name__)  # noqa: TRY400 - the same
            return _failed(place, "internal", "could not be fetched; this is a fault of ours", retryable=True)
        return found

    async def _stored(self, flight: Flight, place: int, key: str) -> bytes:
        if not key.startswith(f"{safe(flight.entries[place].queued.tenant)}/"):
            raise NoSuchObject
        return await self._store.get(key)


def _failed(place: int, code: ErrorCode, message: str, *, retryable: bool) -> Unmade:
    return Unmade(place=place, state="failed", code=code, message=f"inputs.image: {message}", retryable=retryable)
