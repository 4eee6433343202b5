"""A worker to be killed: it finishes the records of its chunks in random order and copies each to a topic.

python -m tests.support.chunk_worker BOOTSTRAP TOPIC[,TOPIC...] [--out TOPIC] [--group NAME] [...]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import signal
from typing import Any

import faust
import uvloop
from aiokafka import AIOKafkaProducer

from streams.chunks import Hold, RawSchema, install_chunks, quick_settings

#: Records that wait for their turn; the more, the further apart neighbours finish.
IN_FLIGHT = 300


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topics", type=lambda text: text.split(","))
    parser.add_argument("--out")
    parser.add_argument("--group")
    parser.add_argument("--chunk-max", type=int, default=50)
    parser.add_argument("--stuck-after", type=float, default=600.0)
    parser.add_argument("--fail", action="store_true", help="raise at every chunk")
    return parser.parse_args()


class Shuffle:
    """Finishes records in random order: a record's copy is at the broker before the record counts as done."""

    def __init__(self, producer: AIOKafkaProducer, out: str) -> None:
        self._producer = producer
        self._out = out
        self._waiting: list[tuple[Hold, Any]] = []
        self._room = asyncio.Semaphore(IN_FLIGHT)

    async def take(self, event: Any) -> None:
        hold = Hold(event)
        for record in event.value:
            await self._room.acquire()
            self._waiting.append((hold, record))

    async def run(self) -> None:
        while True:
            random.shuffle(self._waiting)
            some, self._waiting = self._waiting[:20], self._waiting[20:]
            sent = [await self._producer.send(self._out, record.value, record.key, partition=0) for _, record in some]
            await asyncio.gather(*sent)
            for hold, _ in some:
                hold.done()
                self._room.release()
            await asyncio.sleep(0.001)


async def main(args: argparse.Namespace) -> None:
    group = args.group or args.topics[0]
    app = faust.App(group, broker=f"kafka://{args.bootstrap}", **quick_settings(session_timeout=2.0))
    limits = dict.fromkeys(args.topics, args.stuck_after)
    install_chunks(app, args.topics, chunk_max=args.chunk_max, window=2000, stuck_after=limits, watch_every=0.2)
    producer = AIOKafkaProducer(bootstrap_servers=args.bootstrap, linger_ms=2)
    shuffle = Shuffle(producer, args.out)

    @app.agent(app.topic(*args.topics, schema=RawSchema()))
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            if args.fail:
                raise RuntimeError("a bug of the agent")
            await shuffle.take(event)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await producer.start()
    working = asyncio.ensure_future(shuffle.run())
    await app.start()
    await stop.wait()
    await app.stop()
    working.cancel()
    await producer.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    uvloop.run(main(arguments()))
