"""Mistakes of GPU consumers."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from loadtest.storm.bugs.plant import bug, swap

AWAY_S = 4.0
"""How long an object store that comes and goes is away, and then there (seconds)."""


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


def _object_store_away_now_and_then() -> None:
    """No mistake, but weather."""
    from gpu_consumers.ports import ObjectsUnavailable

    def fickle(old: Any) -> Any:
        async def put(self: Any, objects: Any) -> Any:
            if time.time() % (2 * AWAY_S) < AWAY_S:
                raise ObjectsUnavailable("away")
            return await old(self, objects)

        return put

    swap("infra.objects.folder:Folder.put", fickle)


@bug("one result each", strikes=())
def spool_file_lost() -> None:
    """A file of the spool is gone, and what was in it counts as told."""
    _object_store_away_now_and_then()

    async def stored(self: Any, item: Any) -> list[Any]:
        await self._backlog.drop(item)
        return []

    swap("gpu_consumers.drain:Drain._stored", lambda _: stored)
