"""A job store that counts what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from infra.jobstore.memory import MemoryJobs
from streams.ports import Claim, Claimed, JobRow


class CountedJobs(MemoryJobs):
    """In memory."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = 0
        self.reads = 0

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        self.claims += len(claims)
        return await super().claim(claims)

    async def get(self, tenant: str, id: str) -> JobRow | None:
        self.reads += 1
        await asyncio.sleep(0)  # as any that is asked over a network: others run meanwhile
        return await super().get(tenant, id)
