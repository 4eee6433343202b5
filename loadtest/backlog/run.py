"""One run: a while as usual, then the million on top, then the scheduler is killed, all with the same steady load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from contracts.catalog import Cost, ModelSpec
from contracts.publish import Publisher
from contracts.records import Record
from infra.local.kafka import LocalKafka
from infra.settings import Settings, Tenants
from loadtest.backlog.load import GREEDY, pattern, pour, queued, sent, stream
from loadtest.backlog.watching import Eyes, Sight
from loadtest.crew.crew import Crew, at_work, settings_in
from loadtest.crew.noop import NOOP

WARM_S = 10.0
"""Load before anything is measured."""

TAKEN_S = 1800.0
"""The million may take so long to get where it waits."""

WORKERS = 2


class Plan(Struct, frozen=True, kw_only=True):
    """What is asked of a run."""

    jobs: int
    """Of the greedy tenant."""
    rate: float
    """Jobs/s of the steady tenants together."""
    pour: float
    """Jobs/s at which the million comes: about as fast as admission lets jobs in."""
    seconds: float
    """Of each measured stretch."""
    batch_s: float
    """Time of a batch in the engine, whatever is in it."""
    cap: int
    """Jobs in a batch."""
    limit: float = 0.0
    """Jobs/s that the greedy tenant is let have: its jobs go through admission, which parks them. 0: nobody is limited, and
    they come to the queue at once."""


class Story(Struct, kw_only=True):
    """What happened, and when (seconds since the epoch)."""

    sight: Sight
    spans: dict[str, tuple[float, float]] = {}
    """Stretch to its beginning and end."""
    taken_s: float = 0.0
    """From the first job of the million to the last one's being where it waits."""
    waiting: dict[str, dict[str, int]] = {}
    """Stretch to what waited where when it ended."""
    killed_at: float = 0.0
    unread: int = 0
    """Records of the queue that were not committed when the scheduler was killed."""
    ready_s: float = 0.0
    """From the kill to the new scheduler's takeover being through, by its first batch."""


def model(plan: Plan) -> ModelSpec:
    """Batches that take as long whatever is in them."""
    options = {"base_s": plan.batch_s, "picture_s": 0.0}
    return replace(NOOP, batch_cap=plan.cap, options=options, cost=Cost(base_s=plan.batch_s, per_row_step_s=0.0001))


def limited(settings: Settings, folder: Path, plan: Plan) -> Settings:
    """With the greedy tenant's limit, if it has one; all that it sends may wait."""
    if not plan.limit:
        return settings
    file = folder / "tenants.toml"
    file.write_text(f"[tenants.{GREEDY}]\njobs_per_s = {plan.limit:g}\nbacklog_jobs = {2 * plan.jobs}\n")
    return replace(settings, tenants=Tenants(file=str(file)))


async def backlog(folder: Path, kafka: LocalKafka, plan: Plan, say: Callable[[str], None]) -> Story:
    """Everything, from the start of the processes on."""
    settings = limited(settings_in(folder, kafka.bootstrap, model(plan)), folder, plan)
    async with at_work(settings, folder, workers=WORKERS) as crew, Publisher(kafka.bootstrap) as publisher:
        eyes = Eyes(kafka.bootstrap, settings.topics, crew, kafka.pid)
        watching = asyncio.ensure_future(eyes.run())
        try:
            return await _Run(plan, settings, publisher, eyes, say).all(crew)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


class _Run:
    def __init__(self, plan: Plan, settings: Settings, publisher: Publisher, eyes: Eyes, say: Callable[[str], None]) -> None:
        self._plan, self._settings, self._publisher, self._eyes, self._say = plan, settings, publisher, eyes, say
        self._topics = settings.topics
        self._story = Story(sight=eyes.sight)

    async def all(self, crew: Crew) -> Story:
        seconds = self._plan.seconds
        await self._stretch("warm", WARM_S)
        await self._stretch("usual", seconds)
        await self._stretch("filling", TAKEN_S, self._fill())
        await self._stretch("settling", WARM_S)
        await self._stretch("backlog", seconds)
        self._story.unread = (await self._eyes.waiting())["queue"]
        await self._stretch("killed", seconds / 2, _kill(crew, self._story, seconds / 2))
        return self._story

    async def _stretch(self, name: str, seconds: float, meanwhile: Awaitable[None] | None = None) -> None:
        """The steady load for so long, or for as long as something else takes."""
        self._say(name)
        began = time.time()
        load = stream(self._publisher, self._topics, name, rate=self._plan.rate, seconds=seconds)
        streaming = asyncio.ensure_future(load)
        if meanwhile is not None:
            await meanwhile
            streaming.cancel()
        await asyncio.gather(streaming, return_exceptions=True)
        self._story.spans[name] = began, time.time()
        self._story.waiting[name] = await self._eyes.waiting()

    async def _fill(self) -> None:
        began = time.monotonic()
        await pour(self._publisher, await self._records(), self._plan.pour)
        async with asyncio.timeout(TAKEN_S):
            # Its part is half of the window; the marks of transactions count as well.
            while _on_their_way(await self._eyes.waiting()) > self._settings.streams.window_jobs * 0.8:  # noqa: ASYNC110 - asks Kafka
                await asyncio.sleep(1.0)
        self._story.taken_s = time.monotonic() - began

    async def _records(self) -> Iterator[Record]:
        jobs, topics = self._plan.jobs, self._topics
        if self._plan.limit:
            return sent(jobs, topics)
        return queued(await pattern(self._settings.kafka.bootstrap_servers, self._publisher, topics), jobs, topics)


async def _kill(crew: Crew, story: Story, seconds: float) -> None:
    """Kill -9, a new one at once, and some time for it."""
    crew.streams.kill()
    story.killed_at = time.time()
    began = time.monotonic()
    await crew.streams.start(lambda: None)
    while not (first := _first_after(story)) and time.monotonic() - began < seconds:  # noqa: ASYNC110 - watched from outside
        await asyncio.sleep(0.1)
    story.ready_s = first - story.killed_at if first else seconds
    await asyncio.sleep(seconds)


def _on_their_way(waiting: Mapping[str, int]) -> int:
    """Records that are not yet where they will wait."""
    return waiting["sent"] + waiting["queue"]


def _first_after(story: Story) -> float | None:
    # What the killed one had handed to the network was formed before.
    return min((at for at, _ in story.sight.batches if at > story.killed_at), default=None)
