"""Mistakes of admission."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from loadtest.storm.bugs.plant import bug, swap


@bug("committed is durable", strikes=("streams",))
def ack_before_work() -> None:
    """Admission acknowledges a chunk and then does the work."""

    async def take(stream: Any, _stage: str, work: Any, _metrics: Any) -> None:
        async for event in stream.noack().events():
            event.ack()
            await asyncio.sleep(1.5)  # longer than the interval of commits
            await work(event.value.records)

    swap("streams.agents.admit:take_chunks", lambda _: take)


@bug("one result each", strikes=())
def dedupe_without_tenant() -> None:
    """Ids are claimed for all tenants together."""
    swap("streams.agents.admit:Entry.claim", lambda old: lambda self: msgspec.structs.replace(old(self), tenant="all"))
    swap("streams.settle:_move", lambda old: lambda case: msgspec.structs.replace(old(case), tenant="all"))


@bug("conflicts are told", strikes=())
def conflict_swallowed() -> None:
    """Nobody hears that an id is another's."""

    def told(old: Any) -> Any:
        return lambda *job, **more: (one for one in old(*job, **more) if one.state != "conflict")

    swap("streams.agents.admit:_told", told)


@bug("early cancels hold", strikes=())
def dropped_cancel() -> None:
    """Cancels are read and forgotten."""

    async def nothing(_self: Any, _records: Any) -> None:
        return

    swap("streams.agents.control:ControlJobs.__call__", lambda _: nothing)


@bug("the right end", strikes=())
def ttl_ignored() -> None:
    """No job ever expires."""
    swap("streams.policy.place:deadline", lambda _: lambda *_: None)
    swap("streams.agents.admit:deadline", lambda _: lambda *_: None)


@bug("conflicts are told", strikes=(), stores="cached")
def cache_ignores_bodies() -> None:
    """What the cache knows under an id is taken for the very job, whatever its body."""

    def careless(old: Any) -> Any:
        async def recall(self: Any, claims: Any) -> Any:
            bodies = {(one.tenant, one.id): one.fingerprint for one in claims}
            known = await old(self, claims)
            return {key: msgspec.structs.replace(fact, fingerprint=bodies[key]) for key, fact in known.items()}

        return recall

    swap("infra.jobstore.remembering:RememberingJobs._recall", careless)
