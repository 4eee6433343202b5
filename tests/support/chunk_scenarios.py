"""Kill and churn, at the size a test asks for."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.chunk_app import producing
from tests.support.chunk_crew import Crew, Outputs, Place, missing, reading, too_early
from tests.support.eventually import eventually
from tests.support.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka import AIOKafkaProducer

#: Seconds for a restart, the takeover of partitions and the work itself on a loaded machine.
PATIENCE = 90.0

Inputs = dict[Place, list[bytes]]


async def feed(producer: AIOKafkaProducer, inputs: Inputs, each: int) -> None:
    """Send ``each`` more records to every place and note them."""
    sent = []
    for (topic, partition), values in inputs.items():
        for n in range(len(values), len(values) + each):
            values.append(f"{topic}/{partition}/{n}".encode())
            sent.append(await producer.send(topic, values[-1], partition=partition))
    await asyncio.gather(*sent)


async def nothing_too_early(crew: Crew, inputs: Inputs, outputs: Outputs) -> None:
    commits = await crew.commits(inputs)  # before the outputs are read: what was committed by now must be among them
    early = too_early(commits, inputs, await outputs.read())
    assert not early, f"committed without an output: {early[:5]} and {len(early)} in all"


async def everything_out(crew: Crew, inputs: Inputs, outputs: Outputs) -> None:
    async def all_out() -> bool:
        return not missing(inputs, await outputs.read())

    async def all_committed() -> bool:
        commits = await crew.commits(inputs)
        return all(commits[place] == len(values) for place, values in inputs.items())

    await eventually(all_out, within=PATIENCE, what="an output for every input")
    await eventually(all_committed, within=PATIENCE, what="a commit at the end of every partition")
    assert outputs.counts.keys() <= {value for values in inputs.values() for value in values}


async def killing(bootstrap: str, prefix: str, *, kills: int, records: int) -> dict[str, int]:
    """One worker, killed again and again in the middle of its work. Returns figures."""
    inputs: Inputs = {(prefix, p): [] for p in range(4)}
    out = f"{prefix}-out"
    await create_topics(bootstrap, {prefix: 4, out: 1})
    async with (
        producing(bootstrap, linger_ms=5) as producer,
        reading(bootstrap, out) as outputs,
        Crew(bootstrap, [prefix], out) as crew,
    ):
        for _ in range(kills):
            await feed(producer, inputs, records // 4)
            worker = await crew.start()
            enough = len(outputs.counts) + random.randint(1, records // 2)
            await _progress(outputs, enough)
            await crew.end(worker, signal.SIGKILL)
            await nothing_too_early(crew, inputs, outputs)
        await crew.start()
        await everything_out(crew, inputs, outputs)
        return _figures(outputs, kills=kills)


async def churning(bootstrap: str, prefix: str, *, ends: Iterable[signal.Signals], records: int) -> dict[str, int]:
    """Up to three workers on two topics; they are ended by these signals, and others take their place."""
    topics = [f"{prefix}-a", f"{prefix}-b"]
    inputs: Inputs = {(topic, p): [] for topic in topics for p in range(3)}
    out = f"{prefix}-out"
    await create_topics(bootstrap, {topics[0]: 3, topics[1]: 3, out: 1})
    done: Counter[str] = Counter()
    async with (
        producing(bootstrap, linger_ms=5) as producer,
        reading(bootstrap, out) as outputs,
        Crew(bootstrap, topics, out) as crew,
    ):
        await crew.start()
        for how in ends:
            await feed(producer, inputs, records // len(inputs))
            while len(crew.running) < random.choice((2, 3)):
                await crew.start()
            enough = len(outputs.counts) + random.randint(1, records)
            await _progress(outputs, min(enough, _sent(inputs)))
            status = await crew.end(random.choice(crew.running), how)
            assert status in (-how, 0), "it may be ended before Python listens to signals; anything else is a crash"
            done[how.name] += 1
            await nothing_too_early(crew, inputs, outputs)
        if not crew.running:
            await crew.start()
        await everything_out(crew, inputs, outputs)
        return _figures(outputs, **done)


async def _progress(outputs: Outputs, enough: int) -> None:
    async def progressed() -> bool:
        return len(await outputs.read()) >= enough

    await eventually(progressed, within=PATIENCE, what=f"{enough} outputs")


def _sent(inputs: Inputs) -> int:
    return sum(len(values) for values in inputs.values())


def _figures(outputs: Outputs, **more: int) -> dict[str, int]:
    copies = outputs.counts.values()
    return {**more, "outputs": len(copies), "duplicates": sum(copies) - len(copies), "most copies": max(copies)}
