"""Mistakes of settle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from loadtest.storm.bugs.plant import bug, swap


def _told(change: Callable[[Any, list[Any]], list[Any]]) -> None:
    """Change what settle tells of one outcome."""
    swap("streams.settle:Settle._records", lambda old: lambda self, case: iter(change(case, list(old(self, case)))))


@bug("one result each", strikes=())
def double_publish() -> None:
    """Each result is written twice."""
    _told(lambda _, records: [*records, *(one for one in records if one.topic.endswith("results"))])


@bug("dead letters are exact", strikes=())
def dead_letter_twice() -> None:
    """Each dead letter is written twice."""
    _told(lambda _, records: [*records, *(one for one in records if one.topic.endswith("jobs.dead"))])


@bug("refusals are told", strikes=())
def refusal_dropped() -> None:
    """Senders of bad events hear nothing."""
    _told(lambda case, records: [] if case.ending.outcome.state == "rejected" else records)


@bug("one result each", strikes=())
def lost_requeue() -> None:
    """A retry is told and forgotten."""
    _told(lambda _, records: [one for one in records if ".queue." not in f".{one.topic}"])


@bug("nothing after the end", strikes=())
def state_backwards() -> None:
    """A job that has ended is told to be queued for another try."""

    def again(_: Any, records: list[Any]) -> list[Any]:
        told = next((one for one in records if one.topic.endswith("status") and b'"succeeded"' in one.value), None)
        return records if told is None else [*records, told._replace(value=told.value.replace(b'"succeeded"', b'"retrying"'))]

    _told(again)


def _cancelled_jobs_run_on() -> None:
    """No mistake, only waste: a cancelled job runs all the same, and its outcome comes too late."""
    swap("gpu_consumers.hands:Hands.cancel", lambda _: lambda *_: None)
    swap("streams.dispatch:Dispatcher.cancel", lambda _: lambda *_: None)


@bug("one result each", strikes=(), backlog=True)
def zombie_accepted() -> None:
    """An outcome that comes too late counts like the first."""
    _cancelled_jobs_run_on()

    def always(old: Any) -> Any:
        def moved(row: Any, move: Any) -> Any:
            verdict, changed = old(row, move)
            return ("won", changed) if verdict == "late" else (verdict, changed)

        return moved

    swap("infra.jobstore.sqlite:moved", always)


@bug("the job store agrees", strikes=(), backlog=True)
def store_goes_backwards() -> None:
    """A late outcome changes the stored state, though nothing is told of it."""
    _cancelled_jobs_run_on()

    def careless(old: Any) -> Any:
        def moved(row: Any, move: Any) -> Any:
            verdict, changed = old(row, move)
            return (verdict, row._replace(state="running")) if verdict == "late" else (verdict, changed)

        return moved

    swap("infra.jobstore.sqlite:moved", careless)


@bug("one result each", strikes=("settle",))
def offsets_apart() -> None:
    """Results and consumed offsets are written in two transactions."""
    from contracts.publish import write

    async def commit(self: Any, producer: Any, decided: Any, offset: int) -> None:
        await producer.begin_transaction()
        await write(producer, decided)
        await producer.commit_transaction()
        await asyncio.sleep(1.0)
        await producer.begin_transaction()
        await producer.send_offsets_to_transaction({self._partition: offset}, self._group)
        await producer.commit_transaction()

    swap("streams.transactions.lane:Lane._commit", lambda _: commit)


@bug("no orphans", strikes=(), backlog=True)
def late_objects_kept() -> None:
    """What a late run stored is never removed."""
    _cancelled_jobs_run_on()

    async def nothing(_self: Any, _keys: Any) -> None:
        return

    swap("streams.late_objects:LateObjects.remove", lambda _: nothing)
