"""Removing what late runs stored, in no more time than a store that works needs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from streams.ports import ObjectRemover

log = logging.getLogger(__name__)

WAIT_S = 1.0
"""A store that works has removed a chunk's objects long before; a silent one may take half a minute to be given up on."""

BESIDE_MAX = 16
"""Calls that a silent store may still be at. What comes on top is left to be swept, as is what fails."""


class LateObjects:
    """Implements streams.ports.ObjectRemover, but never raises, and hardly ever takes longer than `WAIT_S`.

    Whoever removes before a commit leaves nothing behind if killed in between. Where the store is silent that is given up:
    the call goes on beside, and as long as it does nobody waits for the next one.
    """

    def __init__(self, store: ObjectRemover) -> None:
        self._store = store
        self._beside: set[asyncio.Task[None]] = set()

    async def remove(self, keys: Sequence[str]) -> None:
        """Returns when they are gone, or will be if the store answers."""
        if len(self._beside) >= BESIDE_MAX:
            log.warning("%d objects of late runs were not removed: the store is silent", len(keys))
            return
        call = asyncio.create_task(self._try(keys))
        try:
            await asyncio.wait([call], timeout=0 if self._beside else WAIT_S)
        finally:
            if not call.done():
                self._beside.add(call)
                call.add_done_callback(self._beside.discard)

    async def close(self, patience_s: float) -> None:
        """Wait a little for what is under way; cut the rest off."""
        if self._beside:
            await asyncio.wait(self._beside, timeout=patience_s)
        for call in self._beside:
            call.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def _try(self, keys: Sequence[str]) -> None:
        try:
            await self._store.remove(keys)
        except Exception:  # best effort: an object too many costs room, settling that stops costs every job
            log.warning("%d objects of late runs were not removed", len(keys), exc_info=True)
        else:
            log.info("removed %d objects of late runs", len(keys))
