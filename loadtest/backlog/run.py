"""One run: a while as usual, then the million on top, then the scheduler is killed, all with the same steady load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from contracts.catalog import Cost, ModelSpec
from contracts.publish import Publisher
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
    topics = settings.topics
    async with at_work(settings, folder, workers=WORKERS) as crew, Publisher(kafka.bootstrap) as publisher:
        eyes = Eyes(kafka.bootstrap, topics, crew, kafka.pid)
        story = Story(sight=eyes.sight)
        watching = asyncio.ensure_future(eyes.run())

        async def stretch(name: str, seconds: float, meanwhile: Awaitable[None] | None = None) -> None:
            """The steady load for so long, or for as long as something else takes."""
            say(name)
            began = time.time()
            streaming = asyncio.ensure_future(stream(publisher, topics, name, rate=plan.rate, seconds=seconds))
            if meanwhile is not None:
                await meanwhile
                streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)
            story.spans[name] = began, time.time()
            story.waiting[name] = await eyes.waiting()

        async def fill() -> None:
            began = time.monotonic()
            if plan.limit:
                records = sent(plan.jobs, topics)
            else:
                records = queued(await pattern(kafka.bootstrap, publisher, topics), plan.jobs, topics)
            await pour(publisher, records, plan.pour)
            async with asyncio.timeout(TAKEN_S):
                # Its part is half of the window; the marks of transactions count as well.
                while _on_their_way(await eyes.waiting()) > settings.streams.window_jobs * 0.8:  # noqa: ASYNC110 - asks Kafka
                    await asyncio.sleep(1.0)
            story.taken_s = time.monotonic() - began

        try:
            await stretch("warm", WARM_S)
            await stretch("usual", plan.seconds)
            await stretch("filling", TAKEN_S, fill())
            await stretch("settling", WARM_S)
            await stretch("backlog", plan.seconds)
            story.unread = (await eyes.waiting())["queue"]
            await stretch("killed", plan.seconds / 2, _kill(crew, story, plan.seconds / 2))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return story


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
