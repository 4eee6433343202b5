"""Jobs that have ended, kept where they are asked for again and again: with the results and the places of their outputs.

An ended job never changes, so what is kept of it is as good as the store's. Of all who ask for one that is not kept, one
reads the store and the others wait for what it finds (a stampede otherwise, on a job that everybody was waiting for).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from contracts.events import TERMINAL
from streams.ports import JobRow

KEPT_S = 7 * 86_400.0
"""How long a result is kept for those who ask again."""

READ_S = 2.0
"""How long the others wait for who reads at most: so long a lock of one that died stands."""

LOOK_S = 0.01
"""Between two looks whether it is there now."""


class ResultMemory(Protocol):
    """Where to keep them. Whatever goes wrong there is a miss."""

    async def get(self, keys: Sequence[str]) -> list[bytes | None]: ...
    async def put(self, values: Mapping[str, bytes], ttl_s: float) -> None: ...

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep a value where there is none; False if there is one."""
        ...

    async def drop(self, keys: Sequence[str]) -> None: ...


Read = Callable[[str, str], Awaitable[JobRow | None]]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(JobRow).decode


class EndedJobs:
    """Rows of ended jobs, in front of a store that has them all."""

    def __init__(self, read: Read, memory: ResultMemory) -> None:
        self._read = read
        self._memory = memory

    async def get(self, tenant: str, id: str, name: str) -> JobRow | None:
        """One job; `name` stands for it in the memory, and for no other."""
        kept, lock = f"ended:{name}", f"reads:{name}"
        (row,) = map(_row, await self._memory.get([kept]))
        if row is None and not await self._memory.add(lock, b"", READ_S):
            row = await self._wait(kept, lock)
        return row or await self._fetch(tenant, id, kept, lock)

    async def _wait(self, kept: str, lock: str) -> JobRow | None:
        """What somebody else found; None as soon as they found nothing to keep."""
        while True:
            found, reading = await self._memory.get([kept, lock])
            if found or reading is None:
                return _row(found)
            await asyncio.sleep(LOOK_S)

    async def _fetch(self, tenant: str, id: str, kept: str, lock: str) -> JobRow | None:
        try:
            row = await self._read(tenant, id)
            if row and row.state in TERMINAL and row.result:
                await self._memory.put({kept: _pack(row)}, KEPT_S)
        finally:
            await self._memory.drop([lock])
        return row


def _row(value: bytes | None) -> JobRow | None:
    try:
        return _unpack(value) if value else None
    except msgspec.DecodeError:
        return None  # another version's
