"""Planted bugs: each is a mistake somebody could make, and the oracle must find it. Only `loadtest.storm.launch` uses them.

A bug replaces functions by name before a part begins; a name that is gone is an error, so none goes stale unseen.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import msgspec

from loadtest.storm.options import Options

ALL = ("streams", "settle", "gpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """A mistake, and what must notice it."""

    plant: Callable[[], None]
    breaks: str
    """Name of an invariant that must not hold any more."""
    strikes: tuple[str, ...] = ALL
    """Whom the storm strikes for the mistake to show."""
    backlog: bool = False
    """Whether it shows only where jobs wait: then runs are so slow that they do."""


SLOW_S = 1.0
"""Time of a run with which the workers of a small storm do not keep up (seconds)."""

BUGS: dict[str, Bug] = {}


def bug(
    breaks: str, strikes: tuple[str, ...] = ALL, *, backlog: bool = False
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a bug under its function's name."""

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        BUGS[plant.__name__] = Bug(plant=plant, breaks=breaks, strikes=strikes, backlog=backlog)
        return plant

    return register


def with_bug(options: Options, name: str) -> Options:
    """The same storm with a bug planted, and only those struck who bring it out."""
    if not name:
        return options
    planted = BUGS[name]
    run_s = SLOW_S if planted.backlog else options.run_s
    return msgspec.structs.replace(options, bug=name, strikes=planted.strikes, run_s=run_s)


def swap(place: str, make: Callable[[Any], Any]) -> None:
    """Replace `module:name` or `module:Class.name` by what `make` makes of it."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    setattr(owner, name, make(getattr(owner, name)))


def _told(change: Callable[[Any, list[Any]], list[Any]]) -> None:
    """Change what settle tells of one outcome."""
    swap("streams.settle:Settle._records", lambda old: lambda self, case: iter(change(case, list(old(self, case)))))


# -- admission


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
    swap("streams.agents.admit:Entry.claim", lambda old: lambda self: replace(old(self), tenant="all"))
    swap("streams.settle:_move", lambda old: lambda case: replace(old(case), tenant="all"))


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


# -- scheduling


@bug("one result each", strikes=("streams",), backlog=True)
def commit_past_a_hole() -> None:
    """What is acknowledged is committed, whatever is unfinished before it."""

    def advance(_self: Any, book: Any) -> None:
        for one in [one for one in book.open if one.acked]:
            book.open.remove(one)
            book.load -= one.records
            book.finished = max(book.finished or 0, one.end)

    swap("streams.chunks.ledger:Ledger._advance", lambda _: advance)


# -- settling


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
        await write(producer, decided.records)
        await producer.commit_transaction()
        await asyncio.sleep(1.0)
        await producer.begin_transaction()
        await producer.send_offsets_to_transaction({self._partition: offset}, self._group)
        await producer.commit_transaction()

    swap("streams.lane:Lane._commit", lambda _: commit)


@bug("no orphans", strikes=(), backlog=True)
def late_objects_kept() -> None:
    """What a late run stored is never removed."""
    _cancelled_jobs_run_on()

    async def nothing(_self: Any, _keys: Any) -> None:
        return

    swap("streams.lane:Lane._remove", lambda _: nothing)


# -- workers


@bug("objects came first", strikes=())
def result_before_object() -> None:
    """Outcomes are told while the upload is still under way."""

    def hasty(old: Any) -> Any:
        pending: set[Any] = set()

        async def later(self: Any, objects: Any) -> None:
            await asyncio.sleep(2.0)
            await old(self, objects)

        async def put(self: Any, objects: Any) -> list[str]:
            task = asyncio.ensure_future(later(self, objects))
            pending.add(task)
            task.add_done_callback(pending.discard)
            return [f"file:///{one.key}" for one in objects]

        return put

    swap("gpu_consumers.upload:Uploader._put", hasty)


@bug("no object twice", strikes=())
def object_key_without_tenant() -> None:
    """Keys are made of ids alone, so that one tenant's picture replaces another's."""
    swap("gpu_consumers.upload:key_of", lambda _: lambda _t, job, _g, _p, index, suffix: f"all/day/x-1/{job}.{index}.{suffix}")


@bug("the right end", strikes=())
def poison_takes_neighbours() -> None:
    """A fault that names no job fails the whole batch."""
    from engines import Failed, Poison, StepReport

    def halve(_self: Any, group: Any, _error: Any) -> StepReport:
        return StepReport(failed=[Failed(request_id=one.id, error=Poison(one.id, "somebody was")) for one in group])

    swap("gpu_consumers.run:BatchRun._halve", lambda _: halve)
    _in_the_engine_too("poison_takes_neighbours")


def _in_the_engine_too(name: str) -> None:
    def started(old: Any) -> Any:
        command = (sys.executable, "-m", "loadtest.storm.launch", name, "gpu_consumers.child")
        return lambda self, listener, **more: old(self, listener, **{**more, "command": command})

    swap("gpu_consumers.engine:EngineProcess.__init__", started)
