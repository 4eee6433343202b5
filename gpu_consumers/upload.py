"""Names for outputs, and storing them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import time
from collections.abc import Sequence

from contracts.events import Output
from gpu_consumers.flight import Flight
from gpu_consumers.frames import File, Made
from gpu_consumers.ports import ObjectStore, ObjectsUnavailable, StoredObject

log = logging.getLogger(__name__)

REMOVE_S = 5.0
"""So long what a lost run stored may hold up what other runs have to tell; the sweep finds what is left."""

_KEY = re.compile(r"([^/]+)/\d{4}-\d\d-\d\d/[0-9a-f]+-[0-9a-f]+/([^/]+)\.\d+\.\d+\.[a-z0-9]+")


def safe(name: str) -> str:
    """An id or tenant as one segment of a key, one to one. `~` and `=` are in no id, so nothing can collide.

    A segment that begins with a dot would be hidden, or mean another folder; a colon is not allowed everywhere.
    """
    escaped = name.replace(":", "~")
    return f"={escaped}" if escaped.startswith(".") else escaped


def key_of(tenant: str, id: str, group: str, place: int, index: int, suffix: str) -> str:
    """`tenant/day/group/id.place.index.suffix`.

    By day so that old outputs can go by folder. A group is stored in one go by one worker, never to be used again: a
    zombie's outputs touch nobody else's, and a folder can be stored by a single rename. The place in the batch tells
    ids apart that differ only in case, where the file system does not.
    """
    return f"{safe(tenant)}/{group}/{safe(id)}.{place}.{index}.{suffix}"


def job_of(key: str) -> tuple[str, str] | None:
    """Tenant and id of the job whose output has this key; None if it is no key of ours."""
    found = _KEY.fullmatch(key)
    return (_unsafe(found[1]), _unsafe(found[2])) if found else None


def _unsafe(segment: str) -> str:
    return segment.removeprefix("=").replace("~", ":")


class Uploader:
    """Stores the outputs of finished jobs, many in one go."""

    def __init__(self, store: ObjectStore, nonce: str) -> None:
        self._store = store
        self._nonce = nonce
        self._groups = itertools.count(1)

    def name(self, flight: Flight, group: Sequence[Made]) -> tuple[list[StoredObject], list[list[Output]]]:
        """The files of these jobs under names of their own, and the outputs of each job; their URLs are not known yet."""
        name = f"{time.strftime('%Y-%m-%d', time.gmtime())}/{self._nonce}-{next(self._groups):x}"
        named = [[(_key(flight, made, name, i, f), f) for i, f in enumerate(made.files)] for made in group]
        objects = [
            StoredObject(key=key, body=f.body, media_type=f.media_type, sha256=f.sha256) for files in named for key, f in files
        ]
        return objects, [[_output(key, file) for key, file in files] for files in named]

    async def store(self, objects: Sequence[StoredObject], within_s: float | None = None) -> list[str]:
        """Keep objects; a URL for each. Raises ObjectsUnavailable, also if it takes longer than `within_s`; DamagedObject.

        What took too long may be stored nevertheless. Storing it again is harmless.
        """
        if not objects:
            return []
        try:
            async with asyncio.timeout(within_s):
                return await self._put(objects)
        except TimeoutError:
            raise ObjectsUnavailable("no answer in time") from None

    async def remove(self, objects: Sequence[StoredObject]) -> None:
        """Take back what was stored for a run that is another's now."""
        try:
            async with asyncio.timeout(REMOVE_S):
                await self._store.remove([one.key for one in objects])
        except (ObjectsUnavailable, TimeoutError):
            log.warning("%d outputs of a lost run are left in the store", len(objects))

    async def _put(self, objects: Sequence[StoredObject]) -> list[str]:
        return await self._store.put(objects)


def _key(flight: Flight, made: Made, group: str, index: int, file: File) -> str:
    queued = flight.entries[made.place].queued
    return key_of(queued.tenant, queued.id, group, made.place, index, file.suffix)


def _output(key: str, file: File) -> Output:
    return Output(
        key=key,
        url="",
        media_type=file.media_type,
        width=file.width,
        height=file.height,
        bytes=len(file.body),
        sha256=file.sha256,
        seed=file.seed,
    )
