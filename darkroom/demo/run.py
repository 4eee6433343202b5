"""Runs the demo: starts a system, plays the story, shows what came of it, stops everything."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from contracts.brokers import Brokers
from darkroom.client import AsyncClient
from darkroom.demo.plan import plan
from darkroom.demo.progress import shown
from darkroom.demo.report import save_all, table
from darkroom.demo.story import Course, tell
from darkroom.errors import DarkroomError, innermost
from darkroom.running import Running
from darkroom.system.plan import Options
from darkroom.system.run import System

WAIT_S = 120.0
"""How long any one job may take (seconds); all together take a few."""


class Unexpected(DarkroomError):
    """Some job did not end as planned."""


class Demo:
    """One run of the demo."""

    def __init__(
        self, out: Path, console: Console, *, model: str | None = None, download: Callable[[int, int], None] | None = None
    ) -> None:
        """Pictures go to `out`; `model` replaces the built-in one."""
        self._out = out
        self._console = console
        self._data = Path(tempfile.mkdtemp(prefix="darkroom-demo-"))
        self._courses = [Course(number=number, part=part) for number, part in enumerate(plan(model), start=1)]
        self._ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self._play: asyncio.Task[None] | None = None
        self._system = System(Options(data=self._data), say=self._say, ready=self._ready.set_result, download=download)

    def stop(self) -> None:
        """End early; asked again, at once."""
        if self._play and not self._play.done():
            self._play.cancel()
        else:
            self._system.stop()

    async def run(self) -> None:
        """Start, play, report, stop. Raises `DarkroomError` when something went wrong; the logs are kept then."""
        began = time.monotonic()
        self._say("Starting Kafka, streams, settle and a worker …")
        life = asyncio.create_task(self._system.run())
        story = self._play = asyncio.create_task(self._story(began))
        await asyncio.wait((life, story), return_when=asyncio.FIRST_COMPLETED)
        story.cancel()
        told = await asyncio.gather(story, return_exceptions=True)
        self._system.stop()
        ends = await asyncio.gather(life, return_exceptions=True)
        failure = next((innermost(one) for one in (*ends, *told) if isinstance(one, Exception)), None)
        if failure:
            self._say(f"Logs are kept in {self._data / 'logs'}")
            raise failure
        shutil.rmtree(self._data, ignore_errors=True)
        if story.cancelled():
            raise DarkroomError("The demo was stopped before its end.")

    async def _story(self, began: float) -> None:
        running = await self._ready
        started = time.monotonic()
        self._say(f"Ready after {started - began:.1f} s. Sending {len(self._courses)} jobs of three tenants.")
        async with AsyncClient(Brokers(servers=running.bootstrap_servers), prefix=running.prefix) as client:
            with shown(self._console, self._courses) as moved:
                await tell(client, self._courses, moved, WAIT_S)
        self._report(time.monotonic() - started)

    def _report(self, took: float) -> None:
        pictures = save_all(self._courses, self._out)
        self._console.print(table(self._courses))
        good = sum(course.as_expected for course in self._courses)
        self._say(f"{good} of {len(self._courses)} ended as expected; {len(pictures)} pictures in {took:.1f} s.")
        if pictures:
            self._say(f"Contact sheet: {self._out / 'contact-sheet.png'}   All results: {self._out / 'results.jsonl'}")
        odd = [str(course.number) for course in self._courses if not course.as_expected]
        if odd:
            raise Unexpected(f"Not as expected: {', '.join(odd)}. The table above says how.")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
