"""A Darkroom of its own for the bench, by `darkroom up`, and what is measured on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.events import Result
from contracts.publish import Publisher
from contracts.topics import Topics
from loadtest.bench.cpu import cpu_seconds
from loadtest.bench.jobs import job_records
from loadtest.bench.kafka_io import flood, pace, read_until, reader

_result = msgspec.json.Decoder(Result).decode


@dataclass(kw_only=True)
class Throughput:
    """One run of `count` jobs sent at once."""

    jobs_per_s: float
    cpu_us: dict[str, float]
    """CPU microseconds a job, by process."""
    records_per_job: dict[str, float]
    """Kafka records a job, by topic."""
    states: dict[str, int] = field(default_factory=dict)


@contextmanager
def running(data: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Mapping[str, Any]]:
    """`darkroom up` in `data` with these options and settings, until the block ends; yields what is in its up.json."""
    log = data.with_suffix(".log").open("w")
    command = [sys.executable, "-m", "darkroom", "up", "--data", str(data), *options]
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})})
    try:
        yield _wait_ready(process, data / "up.json")
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _wait_ready(process: subprocess.Popen[bytes], file: Path) -> Mapping[str, Any]:
    deadline = time.monotonic() + 300  # a busy machine takes minutes
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists():
            return dict(json.loads(file.read_text()))
        time.sleep(0.1)
    end = file.parent.with_suffix(".log").read_text()[-2000:]
    raise RuntimeError(f"`darkroom up` did not become ready:\n{end}")


async def measure_throughput(up: Mapping[str, Any], run: str, count: int) -> Throughput:
    """Send `count` jobs at once; time until the last result is read (read_committed)."""
    topics = Topics()
    parts = {one["name"]: one["pid"] for one in up["processes"]}
    states: dict[str, int] = {}

    def take(record: Any) -> None:
        state = _result(record.value).state
        states[state] = states.get(state, 0) + 1

    async with (
        Publisher(up["bootstrap_servers"]) as publisher,
        reader(up["bootstrap_servers"], topics.results, topics.partitions) as consumer,
    ):
        records = job_records(topics.jobs, run, 0, count)
        ends = await _ends(consumer, topics)
        before = cpu_seconds(parts)
        started = time.monotonic()
        _, ended = await asyncio.gather(flood(publisher, records), read_until(consumer, count, take))
        cpu = cpu_seconds(parts)
        grown = {t: (n - ends[t]) / count for t, n in (await _ends(consumer, topics)).items()}
    cost = {name: (cpu[name] - before[name]) / count * 1e6 for name in before if name in cpu}
    return Throughput(jobs_per_s=count / (ended - started), cpu_us=cost, records_per_job=grown, states=states)


async def _ends(consumer: AIOKafkaConsumer, topics: Topics) -> dict[str, int]:
    specs = list(topics.specs())
    places = [TopicPartition(spec.name, p) for spec in specs for p in range(spec.partitions)]
    ends = await consumer.end_offsets(places)
    return {spec.name: sum(n for tp, n in ends.items() if tp.topic == spec.name) for spec in specs}


async def measure_latency(up: Mapping[str, Any], run: str, rate: float, seconds: float) -> dict[str, list[float]]:
    """Open loop at `rate` jobs/s: seconds from submission to dispatch, and to the result, of every job."""
    topics = Topics()
    seen: dict[str, list[float]] = {"dispatch": [], "result": []}

    def take(record: Any) -> None:
        timings = _result(record.value).timings
        if timings is not None:
            seen["dispatch"].append(timings.dispatched_at - timings.submitted_at)
            seen["result"].append(timings.total_s)

    async with (
        Publisher(up["bootstrap_servers"]) as publisher,
        reader(up["bootstrap_servers"], topics.results, topics.partitions) as consumer,
    ):
        sent: list[int] = []

        async def send(first: int, count: int) -> None:
            sent.append(count)
            await publisher.publish(job_records(topics.jobs, run, first, count))

        sending = asyncio.ensure_future(pace(send, rate, seconds))
        reading = asyncio.ensure_future(read_until(consumer, int(rate * seconds * 0.9), take))
        await asyncio.gather(sending, reading)
        await read_until(consumer, sum(sent) - len(seen["result"]), take)
    return seen
