"""A quiet app on five topics of one partition: start, delay of single records, CPU while nothing comes.

`python -m loadtest.chunks.quiet BOOTSTRAP SECONDS FETCH_MAX_WAIT_MS`; prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

import faust
import uvloop
from aiokafka import AIOKafkaProducer

from loadtest.chunks.topics import make_topics
from streams.chunks import RawSchema, install_chunks, quick_settings

TOPICS = 5
#: Records a second for the delays: slow enough that each finds everything idle.
RATE = 20


class Quiet:
    """One agent on all topics that notes when a record was sent and when it came."""

    def __init__(self, app: Any, names: list[str]) -> None:
        self.delays: list[float] = []
        self.news = asyncio.Event()

        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                for record in event.value:
                    self.delays.append(time.monotonic() - float(record.value))
                event.ack()
                self.news.set()

        app.agent(app.topic(*names, schema=RawSchema()))(agent)

    async def start(self, app: Any, send: Any) -> float:
        """Seconds from the start to the first record at the agent."""
        await send()
        began = time.monotonic()
        await app.start()
        await self.news.wait()
        self.delays.clear()
        return time.monotonic() - began

    async def single_records(self, send: Any, seconds: float) -> list[float]:
        """Delays from just before the send to the agent, sorted."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(random.expovariate(RATE))
            await send()
        await asyncio.sleep(0.5)
        return sorted(self.delays)


async def measure(bootstrap: str, seconds: float, fetch_max_wait_ms: int) -> dict[str, float]:
    """The three figures."""
    prefix = f"quiet-{time.time_ns()}"
    names = [f"{prefix}-{i}" for i in range(TOPICS)]
    await make_topics(bootstrap, dict.fromkeys(names, 1))
    app = faust.App(prefix, broker=f"kafka://{bootstrap}", **quick_settings())
    install_chunks(app, names, fetch_max_wait_ms=fetch_max_wait_ms)
    quiet = Quiet(app, names)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:

        async def send() -> None:
            await producer.send_and_wait(random.choice(names), repr(time.monotonic()).encode())

        start = await quiet.start(app, send)
        delays = await quiet.single_records(send, seconds)
    await asyncio.sleep(1)
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    idle = (time.process_time() - cpu) / (time.monotonic() - wall)
    await app.stop()
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    return {"start_s": start, "records": len(delays), "p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3, "idle_cpu_percent": idle * 100}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))))
