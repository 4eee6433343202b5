"""One storm from beginning to end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from darkroom.system.topics import create_topics
from infra.local.claim import Claim
from infra.local.kafka import LocalKafka
from loadtest.crew.watch import committed
from loadtest.storm.evidence import Evidence
from loadtest.storm.history import History, Name
from loadtest.storm.load import Event, Load, draw_load, due
from loadtest.storm.options import Options
from loadtest.storm.oracle import judge
from loadtest.storm.report import Report, report_of
from loadtest.storm.stores import Stores, opened
from loadtest.storm.victims import Victims, settings_for

log = logging.getLogger(__name__)

TICK_S = 0.05
START_S = 180.0
"""Until all processes work, on a busy machine (seconds)."""
NOTED_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a storm happens: which Kafka, which stores, which folder."""

    folder: Path
    bootstrap: str
    prefix: str = ""
    """Of topics and groups."""
    brokers: tuple[LocalKafka, ...] = ()
    """Those that may be struck."""


async def storm(options: Options, where: Place) -> Report:
    """Let it rage, and judge what is left."""
    async with opened(options, where.folder) as stores:
        return await _storm(options, where, stores)


async def _storm(options: Options, where: Place, stores: Stores) -> Report:
    settings = settings_for(options, where.folder, where.bootstrap, where.prefix, stores)
    load = draw_load(options.seed, options.jobs, options.rate)
    evidence = Evidence(settings, History(intents=load.intents), stores.direct)
    await create_topics(where.bootstrap, settings.topics)
    claim = Claim(where.folder, "storm.json")
    victims = Victims(options, settings, where.folder, claim.fd, where.brokers)
    began = time.time()
    try:
        async with Publisher(where.bootstrap, client_id="storm") as publisher, _running(victims):
            await _calm_before(victims, load, publisher, settings.topics, evidence)
            async with _background([evidence.watch.run(), evidence.look_often()]):
                async with _background([victims.suffer(actor, plan) for actor, plan in [*victims.struck(), *stores.actors]]):
                    await _send_all(load.events, publisher, settings.topics)
                    await victims.struck_often(options.least_blows)
                calmed = time.time()
                await _until_done(load, evidence, options.patience_s)
            await evidence.gather(victims)
    finally:
        claim.release()
    return report_of(options, victims, evidence, judge(evidence.history), began=began, calmed=calmed)


async def _calm_before(victims: Victims, load: Load, publisher: Publisher, topics: Topics, evidence: Evidence) -> None:
    """All processes work, and the cancels that come before their jobs are noted."""
    async with asyncio.timeout(START_S):
        await victims.all_ready()
    await _send(load.early, publisher, topics)
    evidence.history.early = len(load.early)
    async with asyncio.timeout(NOTED_S):
        while sum(await _noted(topics, evidence)) < len(load.early):  # noqa: ASYNC110 - nobody tells of a commit
            await asyncio.sleep(0.3)


async def _noted(topics: Topics, evidence: Evidence) -> list[int]:
    found = await committed(evidence.bootstrap, topics.group("streams"))
    return [offset for (name, _), offset in found.items() if name == topics.control]


async def _send_all(events: list[Event], publisher: Publisher, topics: Topics) -> None:
    """Open loop: what is due goes out, whether or not what went before has arrived."""
    began, sending = time.monotonic(), set[asyncio.Task[None]]()
    for at_s, several in due(events, TICK_S):
        await asyncio.sleep(max(0.0, at_s - (time.monotonic() - began)))
        sending.add(asyncio.create_task(_send(several, publisher, topics)))
    await asyncio.gather(*sending)


async def _send(events: Sequence[Event], publisher: Publisher, topics: Topics) -> None:
    names = {"jobs": topics.jobs, "control": topics.control}
    await publisher.publish([Record(names[one.topic], one.key, one.value) for one in events])


async def _until_done(load: Load, evidence: Evidence, patience_s: float) -> None:
    """Every name has its end, or nothing has ended for too long."""
    awaited = _awaited(load)
    since = time.monotonic()
    while any(evidence.ended[name] < count for name, count in awaited.items()):
        if time.monotonic() - max(since, evidence.last_result) > patience_s:
            log.warning("no new result for %.0f s, though some are missing", patience_s)
            return
        await asyncio.sleep(0.2)


def _awaited(load: Load) -> Counter[Name]:
    intents = [load.intents[event.value] for event in load.events if event.topic == "jobs"]
    wanted = Counter(dict.fromkeys(((one.tenant, one.id) for one in intents if one.ends), 1))
    wanted.update((one.tenant, one.id) for one in intents if not one.ends and one.id)
    return wanted


@asynccontextmanager
async def _running(victims: Victims) -> AsyncIterator[None]:
    async with _background([process.keep() for process in victims.processes]):
        yield


@asynccontextmanager
async def _background(work: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Tasks that run until the block ends; one that fails ends the block."""
    tasks = [asyncio.ensure_future(one) for one in work]
    me = asyncio.current_task()

    def failed(task: asyncio.Future[None]) -> None:
        if me is not None and not task.cancelled() and task.exception() is not None:
            me.cancel()

    for task in tasks:
        task.add_done_callback(failed)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [one for one in ended if isinstance(one, Exception)]
        if errors:
            raise ExceptionGroup("the storm could not go on", errors)
