"""Three ways to copy a topic, each in a process of its own: `python -m loadtest.chunks.copy SIDE BOOTSTRAP SOURCE TARGET COUNT`.

All read, send each record with aiokafka's `send`, await the broker's word, then acknowledge; several chunks are on their way at
once. Prints one JSON line: seconds from the first to the last record, CPU seconds in between.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import faust
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.chunks import RawSchema, install_chunks, quick_settings

#: Sends under way at once: enough to keep the producer busy, few enough to stay small.
IN_FLIGHT = 2000


class Copy:
    """Sends records on, and measures from the first to the last."""

    def __init__(self, producer: AIOKafkaProducer, target: str, count: int) -> None:
        self._producer = producer
        self._target = target
        self._left = count
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._began: tuple[float, float] | None = None
        self.result: asyncio.Future[dict[str, float]] = asyncio.get_running_loop().create_future()

    async def send(self, records: Sequence[Any], ack: Callable[[], Any]) -> None:
        """Send all, and call ``ack`` once all are at the broker; returns before that."""
        self._began = self._began or (time.perf_counter(), time.process_time())
        for _ in records:
            await self._room.acquire()
        sent = [await self._producer.send(self._target, record.value, record.key) for record in records]
        waiting = asyncio.gather(*sent) if len(sent) > 1 else sent[0]
        waiting.add_done_callback(lambda done: self._sent(done, len(records), ack))

    def _sent(self, done: Any, count: int, ack: Callable[[], Any]) -> None:
        done.result()
        ack()
        self._left -= count
        for _ in range(count):
            self._room.release()
        if self._left <= 0 and self._began and not self.result.done():
            wall, cpu = self._began
            self.result.set_result({"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu})


async def per_event(bootstrap: str, source: str, copy: Copy) -> dict[str, float]:
    """Stock Faust, one event a record."""
    return await _agent(_app(bootstrap, source), source, lambda event: copy.send([event.message], event.ack), copy)


async def chunks(bootstrap: str, source: str, copy: Copy) -> dict[str, float]:
    """Faust with chunks."""
    app = _app(bootstrap, source)
    install_chunks(app, [source])
    return await _agent(app, source, lambda event: copy.send(event.value.records, event.ack), copy)


async def bare(bootstrap: str, source: str, copy: Copy) -> dict[str, float]:
    """Bare aiokafka with one commit at the end: what no framework can beat."""
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=bootstrap, group_id=f"{source}-bare", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    while not copy.result.done():
        for records in (await consumer.getmany(timeout_ms=100, max_records=500)).values():
            await copy.send(records, lambda: None)
    await consumer.commit()
    await consumer.stop()
    return copy.result.result()


SIDES = {"per-event": per_event, "chunks": chunks, "bare": bare}


def _app(bootstrap: str, name: str) -> Any:
    return faust.App(f"{name}-{time.time_ns()}", broker=f"kafka://{bootstrap}", **quick_settings())


async def _agent(app: Any, source: str, handle: Callable[[Any], Any], copy: Copy) -> dict[str, float]:
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await handle(event)

    app.agent(app.topic(source, schema=RawSchema()))(agent)
    await app.start()
    result = await copy.result
    await app.stop()
    return result


async def main(side: str, bootstrap: str, source: str, target: str, count: int) -> None:
    """Copy ``count`` records and print the figures."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=2) as producer:
        print(json.dumps(await SIDES[side](bootstrap, source, Copy(producer, target, count))))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
