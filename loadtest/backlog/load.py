"""Who sends what: four tenants a steady stream of jobs, a fifth its million at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from random import Random

import msgspec

from contracts.codec import encode
from contracts.events import Inputs, Job
from contracts.publish import Publisher
from contracts.records import Record
from contracts.topics import Topics
from contracts.work import QueuedJob
from loadtest.crew.watch import read_all

STEADY = ("ash", "birch", "cedar", "fern")
"""They stay below their share."""

GREEDY = "oak"

TOGETHER = 1000
"""Jobs of the million in one call of the publisher."""


async def stream(publisher: Publisher, topics: Topics, name: str, *, rate: float, seconds: float) -> None:
    """Jobs of the four at random times, so many a second in all; the same times whatever the name is."""
    random, started, at, number = Random(7), time.monotonic(), 0.0, 0
    waiting = []
    while at < seconds:
        await asyncio.sleep(started + at - time.monotonic())
        one = job(f"{name}-{number}", random.choice(STEADY), number)
        waiting.append(asyncio.ensure_future(publisher.publish([Record(topics.jobs, one.id.encode(), encode(one))])))
        at += random.expovariate(rate)
        number += 1
    await asyncio.gather(*waiting)


def job(id: str, tenant: str, seed: int) -> Job:
    """As a client sends it."""
    return Job(id=id, tenant=tenant, task="text-to-image", inputs=Inputs(prompt="a flat colour", seed=seed))


async def pattern(bootstrap: str, publisher: Publisher, topics: Topics) -> QueuedJob:
    """A job of the greedy tenant as admission queues it."""
    queue = topics.queue(topics.pools[0], "ordinary")
    first = job(f"{GREEDY}-first", GREEDY, 0)
    await publisher.publish([Record(topics.jobs, first.id.encode(), encode(first))])
    while True:
        for seen in await read_all(bootstrap, queue, 1):
            found = msgspec.json.decode(seen.value, type=QueuedJob)
            if found.id == first.id:
                return found
        await asyncio.sleep(0.2)


def queued(like: QueuedJob, count: int, topics: Topics) -> Iterator[Record]:
    """The million, straight onto its queue."""
    queue = topics.queue(topics.pools[0], "ordinary")
    for n in range(count):
        one = msgspec.structs.replace(like, id=f"{GREEDY}-{n}")
        yield Record(queue, one.id.encode(), encode(one))


def sent(count: int, topics: Topics) -> Iterator[Record]:
    """The million as its tenant sends it."""
    for n in range(count):
        one = job(f"{GREEDY}-{n}", GREEDY, n)
        yield Record(topics.jobs, one.id.encode(), encode(one))


async def pour(publisher: Publisher, records: Iterator[Record], rate: float) -> None:
    """All of them, so many a second."""
    began, done = time.monotonic(), 0
    while several := list(islice(records, TOGETHER)):
        await asyncio.sleep(began + done / rate - time.monotonic())
        await publisher.publish(several)
        done += len(several)
