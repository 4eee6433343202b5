"""Objects that no result names: of workers killed before they could tell, and of late runs while the store was away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice

from contracts.codec import Decoder
from contracts.events import TERMINAL, Result
from gpu_consumers.upload import job_of
from infra.objects.store import Objects
from streams.ports import JobRow, JobStore

TOGETHER = 100
"""Jobs that are asked for at once."""

_read = Decoder(Result)


async def sweep(objects: Objects, jobs: JobStore) -> int:
    """Remove them; returns how many there were. May run while jobs do: what has ended names its outputs for good.

    Objects of jobs that have not ended, or that the job store does not know, stay, and so does what is no output.
    Raises ObjectsUnavailable, StoreUnavailable.
    """
    keys, removed = objects.list_now(), 0
    while several := await asyncio.to_thread(lambda: list(islice(keys, TOGETHER))):
        strays = await _strays(several, jobs)
        await objects.remove(strays)
        removed += len(strays)
    return removed


async def _strays(keys: Sequence[str], jobs: JobStore) -> list[str]:
    outputs = [(key, job) for key in keys if (job := job_of(key))]
    rows = await asyncio.gather(*(jobs.get(*job) for _, job in outputs))
    return [key for (key, _), row in zip(outputs, rows, strict=True) if row and row.state in TERMINAL and key not in _named(row)]


def _named(row: JobRow) -> set[str]:
    return {one.key for one in _read(row.result).outputs} if row.result else set()
