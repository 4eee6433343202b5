"""A job store with a memory in front: jobs sent, or asked for, again and again do not cost it a write or a read each.

What is remembered of a job are facts that never change: whose body and record has its id, and, once it has ended, how.
So a memory may be lost, old or shared, and still says nothing that the store would not. It never gives an id away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry

from contracts.events import TERMINAL, State
from contracts.metrics import Metrics
from contracts.work import Verdict
from infra.jobstore.results import EndedJobs, ResultMemory
from infra.jobstore.rules import Row, claimed, first
from streams.ports import Claim, Claimed, JobRow, JobStore, Move, Note

Key = tuple[str, str]

KEPT_S = 86_400.0
"""How long a job is remembered after it was claimed or asked for in vain. Much shorter than any store keeps its row."""


class Memory(ResultMemory, Protocol):
    """Where to remember. Whatever goes wrong there is a miss."""

    async def close(self) -> None: ...


class Fact(Struct, frozen=True, array_like=True):
    """What is known of a job for good. No prompt: the digest of its body."""

    fingerprint: bytes
    claimed_by: str
    cancelled: bool
    end: tuple[State, int] | None = None
    """Terminal state and attempt."""

    def row(self, state: State, attempt: int) -> Row:
        """As far as a claim looks at it."""
        empty = Claim(tenant="", id="", fingerprint=self.fingerprint, source=self.claimed_by, submitted_at=0.0, model="", tier="")
        return first(empty)._replace(state=state, attempt=attempt)


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Fact).decode


class RememberingJobs:
    """`streams.ports.JobStore`: another one, and a memory."""

    def __init__(self, store: JobStore, memory: Memory, name: str = "", metrics: Metrics | None = None) -> None:
        """`name` tells this store from others that are remembered in the same place."""
        self._metrics = metrics or Metrics(CollectorRegistry())
        self._store = store
        self._memory = memory
        self._store_name = name
        self._ended = EndedJobs(store.get, memory)

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """See `JobStore.claim`."""
        facts = await self._recall(claims)
        facts |= await self._learn_ends(_repeats(claims, facts))
        answers = {number: _answer(one, facts.get(_key(one))) for number, one in enumerate(claims)}
        open_ones = [number for number, answer in answers.items() if answer is None]
        if open_ones:
            asked = [claims[number] for number in open_ones]
            told = await self._store.claim(asked)
            await self._remember(asked, told)
            answers.update(zip(open_ones, told, strict=True))
        return [answer for answer in answers.values() if answer is not None]

    async def _recall(self, claims: Sequence[Claim]) -> dict[Key, Fact]:
        keys = list(dict.fromkeys(map(_key, claims)))
        found = await self._memory.get([self._name(key) for key in keys])
        facts = {key: fact for key, value in zip(keys, found, strict=True) if value and (fact := _read(value))}
        self._metrics.cache.labels("hit").inc(len(facts))
        self._metrics.cache.labels("miss").inc(len(keys) - len(facts))
        return facts

    async def _learn_ends(self, repeats: dict[Key, Fact]) -> dict[Key, Fact]:
        """The states of jobs that are known but not to have ended: a read each, and that for the last time if they have."""
        rows = await asyncio.gather(*(self._store.get(*key) for key in repeats))
        seen = {
            key: msgspec.structs.replace(fact, end=(row.state, row.attempt))
            for (key, fact), row in zip(repeats.items(), rows, strict=True)
            if row
        }
        ended = {self._name(key): _pack(fact) for key, fact in seen.items() if fact.end and fact.end[0] in TERMINAL}
        await self._memory.put(ended, KEPT_S)
        return seen

    async def _remember(self, claims: Iterable[Claim], told: Iterable[Claimed]) -> None:
        """Only of a claim that has the id is it known whose body and record that is."""
        facts = {}
        for claim, answer in zip(claims, told, strict=True):
            if answer.answer in {"new", "replay"} and answer.state != "rejected":  # of those the id is free again
                end = (answer.state, answer.attempt) if answer.state in TERMINAL else None
                facts[self._name(_key(claim))] = _pack(Fact(claim.fingerprint, claim.source, answer.cancelled, end))
        await self._memory.put(facts, KEPT_S)

    def _name(self, key: Key) -> str:
        # Names may hold any sign that could part them: without the length, tenant a:b with job c would be a with b:c.
        tenant, id = key
        return f"job:{self._store_name}:{len(tenant)}:{tenant}:{id}"

    async def cancel(self, jobs: Sequence[Key], at: float) -> list[State | None]:
        """See `JobStore.cancel`."""
        return await self._store.cancel(jobs, at)

    async def move(self, moves: Sequence[Move]) -> list[Verdict]:
        """See `JobStore.move`."""
        return await self._store.move(moves)

    async def reject(self, notes: Sequence[Note]) -> list[Verdict]:
        """See `JobStore.reject`."""
        return await self._store.reject(notes)

    async def get(self, tenant: str, id: str) -> JobRow | None:
        """See `JobStore.get`."""
        return await self._ended.get(tenant, id, self._name((tenant, id)))

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
        """See `JobStore.recent`."""
        return await self._store.recent(tenant, state, limit)

    async def close(self) -> None:
        """See `JobStore.close`."""
        await self._memory.close()
        await self._store.close()


def _key(claim: Claim) -> Key:
    return claim.tenant, claim.id


def _read(value: bytes) -> Fact | None:
    try:
        return _unpack(value)
    except msgspec.DecodeError:
        return None  # another version's


def _repeats(claims: Iterable[Claim], facts: dict[Key, Fact]) -> dict[Key, Fact]:
    """Jobs whose state must be asked for: known, not to have ended, and not the claiming record itself, which may go on."""
    return {
        key: fact
        for one in claims
        if (fact := facts.get(key := _key(one))) and fact.end is None and fact.claimed_by != one.source
    }


def _answer(claim: Claim, fact: Fact | None) -> Claimed | None:
    """What the store would say; None if only the store can say."""
    if fact is None or fact.end is None:
        return None
    state, attempt = fact.end
    if fact.claimed_by == claim.source and state not in TERMINAL:
        return None
    return claimed(fact.row(state, attempt), claim, new=False, cancelled=fact.cancelled)
