"""A GPU consumer that stops itself where it hurts: `python -m tests.support.zombie_worker`. The id of a job says where.

`run.…` when its run begins, engine and all; `upload.…` while its outputs are stored; `publish.…` before its outcome is told;
`commit.…` after that. With `.blind` in it, the worker hears nothing of its group afterwards until its hands are empty.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from typing import Any

import uvloop

from gpu_consumers import app
from infra.settings import read_settings
from loadtest.storm.bugs import swap


class Stops:
    """Stops this process, once for each job that asks for it."""

    def __init__(self) -> None:
        self._done: set[str] = set()
        self.blind = False

    def stop(self, seam: str, names: Iterable[str], engine: int | None = None) -> None:
        """SIGSTOP, if one of these wants it here; first for the engine process, if one is given."""
        wanted = [name for name in names if name.startswith(f"{seam}.") and name not in self._done]
        if wanted:
            self._done.update(wanted)
            self.blind = ".blind" in wanted[0]
            for pid in (engine, os.getpid()):
                if pid:
                    os.kill(pid, signal.SIGSTOP)


def _ids(flight: Any) -> list[str]:
    return [entry.queued.id for entry in flight.entries]


def plant(stops: Stops) -> None:
    """Put the stops into what ships."""

    def started(old: Any) -> Any:
        def stopped(self: Any, report: Any) -> None:
            old(self, report)
            stops.stop("run", [name for one in self.runs if one.run == report.run for name in _ids(one)], self.engine.pid)

        return stopped

    def put(old: Any) -> Any:
        async def stopped(self: Any, objects: Any) -> Any:
            putting = asyncio.ensure_future(old(self, objects))
            await asyncio.sleep(0)  # the thread that stores them has begun
            stops.stop("upload", [one.key.rpartition("/")[2] for one in objects])
            return await putting

        return stopped

    def tell(old: Any) -> Any:
        async def stopped(self: Any, outcomes: Any) -> None:
            stops.stop("publish", [one.id for one in outcomes])
            await old(self, outcomes)

        return stopped

    def finish(old: Any) -> Any:
        async def stopped(self: Any, flight: Any) -> None:
            stops.stop("commit", _ids(flight))
            await old(self, flight)
            stops.blind = stops.blind and bool(self._hands.runs)

        return stopped

    swap("gpu_consumers.hands:Hands.started", started)
    swap("gpu_consumers.upload:Uploader._put", put)
    swap("gpu_consumers.deliver:Teller.tell", tell)
    swap("gpu_consumers.consumer:Consumer.finish", finish)


def blindfold(stops: Stops) -> None:
    """While it is blind, heartbeats and commits seem to succeed."""

    def heartbeat(old: Any) -> Any:
        async def unheard(self: Any) -> bool:
            return True if stops.blind else await old(self)

        return unheard

    def commit(old: Any) -> Any:
        async def unheard(self: Any) -> None:
            if not stops.blind:
                await old(self)

        return unheard

    swap("aiokafka.consumer.group_coordinator:GroupCoordinator._do_heartbeat", heartbeat)
    swap("gpu_consumers.consumer:Consumer._commit", commit)


if __name__ == "__main__":
    planted = Stops()
    plant(planted)
    blindfold(planted)
    uvloop.run(app.main(read_settings()))
