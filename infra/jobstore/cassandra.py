"""The job store in Cassandra: for many machines, and for a store that outlives any of them.

Claims and moves are conditional writes on one row, `jobs`; what Cassandra answers decides, never a clock. They are the
scarce resource, so there are two a job: the claim and the last move (one more per retry). All else are plain writes that
may be repeated. A request without an answer may have taken effect or not, or take effect later: we look at what there is
by a serial read, which puts an end to that, and decide again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from typing import Any, TypeVar

from cassandra.query import UNSET_VALUE

from contracts.events import TERMINAL, State
from contracts.work import Verdict
from infra.jobstore import cassandra_statements as cql
from infra.jobstore.cassandra_link import Answer, Link, Unanswered, together
from infra.jobstore.cassandra_listing import Listing, month_of
from infra.jobstore.cassandra_place import Place
from infra.jobstore.rules import Row, claimed, first, moved, taken
from infra.settings import Cassandra
from streams.ports import Claim, Claimed, JobRow, Move, Note, StoreUnavailable

T = TypeVar("T")
R = TypeVar("R")
Key = tuple[str, str]

PAUSES_S = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Before each try of a conditional write, longest: others may be in its way, or it had no answer."""

SKEW_S = 3600.0
"""How far clocks of machines may differ. No state is entered again that was left, so leaving may be dated ahead."""

DAY_S = 86_400.0

ENTERED_MOST = 100_000
"""Tenants and days that a process remembers to have entered; once a day, so that the entry outlives the month's jobs."""

REFUSED: tuple[State, ...] = ("rejected",)
"""State that a claim leads out of."""

LIVE: tuple[State, ...] = ("queued", "retrying")
"""States that a move leads out of."""


class CassandraJobs:
    """`streams.ports.JobStore` in a keyspace."""

    def __init__(self, place: Place, settings: Cassandra) -> None:
        self._place = place
        self._link = Link(place, settings)
        self._listing = Listing(self._link, self._load)
        self._entered: set[tuple[str, int]] = set()

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """See `JobStore.claim`."""
        return await _each(claims, lambda one: (one.tenant, one.id), self._claim)

    async def cancel(self, jobs: Sequence[Key], at: float) -> list[State | None]:
        """See `JobStore.cancel`."""

        async def one(job: Key) -> State | None:
            # The note first, then the job; a claim the other way round: one of the two sees the other.
            await self._link.ask(cql.NOTE_CANCEL, (*job, at))
            row = await self._load(job)
            return row.state if row else None

        return await _each(jobs, lambda job: job, one)

    async def move(self, moves: Sequence[Move]) -> list[Verdict]:
        """See `JobStore.move`."""
        return await _each(moves, lambda one: (one.tenant, one.id), self._move)

    async def reject(self, notes: Sequence[Note]) -> list[Verdict]:
        """See `JobStore.reject`."""
        return await _each(notes, lambda one: one.rejected, self._reject)

    async def get(self, tenant: str, id: str) -> JobRow | None:
        """See `JobStore.get`."""
        row = await self._load((tenant, id))
        return row.public() if row else None

    async def recent(self, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
        """See `JobStore.recent`. By time of submission, then by id."""
        return [row.public() for row in await self._listing.recent(tenant, state, limit)]

    async def close(self) -> None:
        """See `JobStore.close`."""
        await self._link.close()

    async def _claim(self, claim: Claim) -> Claimed:
        row, new = await self._take(claim)
        if row.claimed_by == claim.source:
            await self._enter(row)  # a replay too: the first time may have been cut off before this
        if new and row.submitted_at != claim.submitted_at:
            await self._enter_moved(row, REFUSED)  # the id was a refused record's before
        noted = await self._link.ask(cql.CANCELLED, (claim.tenant, claim.id))
        return claimed(row, claim, new=new, cancelled=bool(noted))

    async def _take(self, claim: Claim) -> tuple[Row, bool]:
        """The row that has the id now, and whether that is by this call."""
        row = first(claim)
        unsure: Unanswered | None = None
        for pause in PAUSES_S:
            await _breathe(pause)
            try:
                answer = await self._link.ask(cql.TAKE, [_value(column) for column in row])
                if _applied(answer):
                    return row, True
                found = _row(answer[0])
                ours = taken(found, claim)
                if ours and await self._swap(found, ours):
                    return ours, True
            except Unanswered as error:
                unsure = error  # asked again, it answers with what there is
                continue
            if not ours:
                return found, unsure is not None and found.claimed_by == claim.source and not found.moved_by
        raise self._gave_up(unsure)

    async def _move(self, move: Move) -> Verdict:
        key = move.tenant, move.id
        before = await self._load(key)
        unsure: Unanswered | None = None
        for pause in PAUSES_S:
            await _breathe(pause)
            verdict, after = moved(before, move)
            if verdict == "late" and before and before.state not in TERMINAL:
                # The one verdict that a later write could overturn: a retry that this read may not have seen.
                before = await self._load(key, cql.LOAD_SETTLED)
                verdict, after = moved(before, move)
            if after is None:
                return await self._stands(before, verdict, ours=unsure is not None)
            try:
                if await self._swap(before, after):
                    await self._enter_moved(after, [before.state] if before else [])
                    return "won"
            except Unanswered as error:
                unsure = error
            before = await self._load(key, cql.LOAD_SETTLED)
        raise self._gave_up(unsure)

    async def _swap(self, before: Row | None, after: Row) -> bool:
        values = [_value(column) for column in after]
        if before is None:
            return _applied(await self._link.ask(cql.TAKE, values))
        return _applied(await self._link.ask(cql.SWAP, [*values[2:], *values[:2], before.state, before.attempt]))

    async def _stands(self, row: Row | None, verdict: Verdict, *, ours: bool) -> Verdict:
        if row and verdict == "again":
            await self._enter_moved(row, LIVE)  # whoever won may have been cut off before this
            return "won" if ours else "again"
        return verdict

    async def _reject(self, note: Note) -> Verdict:
        unsure: Unanswered | None = None
        for pause in PAUSES_S:
            await _breathe(pause)
            try:
                answer = await self._link.ask(cql.REJECT, (note.rejected, note.source, note.at))
            except Unanswered as error:
                unsure = error
                continue
            if _applied(answer) or (unsure and answer[0]["source"] == note.source):
                return "won"
            return "again" if answer[0]["source"] == note.source else "late"
        raise self._gave_up(unsure)

    async def _enter(self, row: Row) -> None:
        """Put a job where listings look."""
        month = month_of(row.submitted_at)
        place = (row.submitted_at, row.id)
        writes: list[Awaitable[Any]] = [
            self._link.ask(cql.ENTER_MONTH, (row.tenant, month, *place)),
            self._link.ask(cql.ENTER_STATE, (row.tenant, row.state, month, *place)),
        ]
        day = row.tenant, int(row.submitted_at // DAY_S)
        if day not in self._entered:
            writes.append(self._link.ask(cql.ENTER_TENANT, (row.tenant, month)))
        await together(*writes)
        if len(self._entered) >= ENTERED_MOST:
            self._entered.clear()
        self._entered.add(day)

    async def _enter_moved(self, row: Row, out_of: Collection[State]) -> None:
        place = (month_of(row.submitted_at), row.submitted_at, row.id)
        stamp = int((time.time() + SKEW_S) * 1e6)
        left = [self._link.ask(cql.LEAVE_STATE, (stamp, row.tenant, state, *place)) for state in out_of if state != row.state]
        if row.claimed_by:
            await together(self._link.ask(cql.ENTER_STATE, (row.tenant, row.state, *place)), *left)
        else:  # the store was lost after the claim
            await together(self._enter(row), *left)

    async def _load(self, key: Key, statement: cql.Statement = cql.LOAD) -> Row | None:
        answer = await self._link.ask(statement, key)
        return _row(answer[0]) if answer else None

    def _gave_up(self, unsure: Unanswered | None) -> StoreUnavailable:
        return unsure or StoreUnavailable(f"{self._place.name}: others were in the way, again and again")


async def _each(items: Sequence[T], key: Callable[[T], Hashable], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """All at once, but what is about the same thing in order."""
    queues: dict[Hashable, list[int]] = {}
    for place, one in enumerate(items):
        queues.setdefault(key(one), []).append(place)
    answers: dict[int, R] = {}

    async def in_order(places: list[int]) -> None:
        for place in places:
            answers[place] = await work(items[place])

    await together(*map(in_order, queues.values()))
    return [answers[place] for place in range(len(items))]


async def _breathe(longest: float) -> None:
    if longest:
        await asyncio.sleep(longest * random.random())


def _applied(answer: Answer) -> bool:
    return bool(answer[0]["[applied]"])


def _row(found: dict[str, Any]) -> Row:
    return Row(**{name: found[name] for name in Row._fields})


def _value(column: Any) -> Any:
    return UNSET_VALUE if column is None else column  # a null would be written, as a tombstone
