"""The ceiling: jobs in one topic, the same bytes out to another, by bare aiokafka. No state, no decisions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer

from contracts.publish import Publisher
from contracts.records import Record
from loadtest.bench.jobs import job_records
from loadtest.bench.kafka_io import flood, read_until, reader

PARTITIONS = 4


async def copy(bootstrap: str, source: str, target: str) -> None:
    """Copy for ever: read a chunk, write it, commit."""
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=bootstrap, group_id=f"copy.{source}", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    async with consumer, Publisher(bootstrap) as publisher:
        while True:
            for records in (await consumer.getmany(timeout_ms=200, max_records=500)).values():
                await publisher.publish([Record(target, one.key, one.value) for one in records])
                await consumer.commit()


@contextmanager
def _copier(bootstrap: str, source: str, target: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "loadtest.bench.passthrough", bootstrap, source, target])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def measure_passthrough(bootstrap: str, source: str, target: str, run: str, count: int) -> float:
    """Jobs/s from the first send to the last record read at the other end."""
    with _copier(bootstrap, source, target):
        async with Publisher(bootstrap) as publisher, reader(bootstrap, target, PARTITIONS) as consumer:
            warm = job_records(source, f"{run}-warm", 0, 200)
            await asyncio.gather(flood(publisher, warm), read_until(consumer, len(warm), lambda _: None))
            records = job_records(source, run, 0, count)
            started = time.monotonic()
            _, ended = await asyncio.gather(flood(publisher, records), read_until(consumer, count, lambda _: None))
            return count / (ended - started)


if __name__ == "__main__":
    asyncio.run(copy(*sys.argv[1:4]))
