"""`python -m loadtest.simulate.record`: a real run's jobs as a trace, without prompts or ids.

Reads `jobs` and `results` of a running system from their beginnings. Kept of a job are its time, tenant, tier, model, the
numbers that decide what it costs, and its `ttl_s` as the goal.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer

from contracts.catalog import load_catalog
from contracts.events import Result
from contracts.topics import Topics
from darkroom.running import Running, note
from loadtest.simulate.trace import Item, write_items
from streams.policy.cost_model import CostModel
from streams.policy.decode import read_job
from streams.policy.place import place
from streams.policy.rejected import Rejected
from streams.policy.validate import Models

PATIENCE_S = 60.0
"""Goal of a job without `ttl_s`."""

_result = msgspec.json.Decoder(Result).decode


async def record(system: Running) -> tuple[list[Item], list[Result]]:
    """Jobs in the order in which they came, and results."""
    topics = Topics(prefix=system.prefix)
    jobs = await read_all(system.bootstrap_servers, topics.jobs)
    results = await read_all(system.bootstrap_servers, topics.results)
    return items_of(jobs, Path(system.catalog)), [_result(one.value) for one in results]


async def read_all(bootstrap: str, topic: str) -> list[Any]:
    """All records that the topic has by now, as a read_committed reader sees them."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        ends, found = await consumer.end_offsets(consumer.assignment()), []
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def items_of(records: Iterable[Any], catalog_file: Path) -> list[Item]:
    """Their jobs, as admission sees them; those it would reject are left out."""
    catalog = load_catalog(catalog_file)
    models, costs = Models(catalog), CostModel(catalog)
    ordered = sorted(records, key=lambda one: (one.timestamp, one.partition, one.offset))
    items = []
    for one in ordered:
        try:
            placed = place(read_job(one.value), models, costs)
        except Rejected:
            continue
        at = (one.timestamp - ordered[0].timestamp) / 1000
        goal = placed.job.ttl_s or PATIENCE_S
        resolved = msgspec.structs.replace(placed.resolved, seed=0)
        job = placed.job
        items.append(Item(at=at, tenant=job.tenant, tier=job.priority, model=placed.model.ref, resolved=resolved, goal_s=goal))
    return _without_names(items)


def _without_names(items: Sequence[Item]) -> list[Item]:
    """Tenants by number, most jobs first."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.tenant] = counts.get(item.tenant, 0) + 1
    names = {name: f"tenant-{rank}" for rank, name in enumerate(sorted(counts, key=lambda name: (-counts[name], name)))}
    return [msgspec.structs.replace(item, tenant=names[item.tenant]) for item in items]


def main() -> None:
    """Write the trace of the system in a data folder."""
    options = argparse.ArgumentParser(prog="python -m loadtest.simulate.record", description=__doc__)
    options.add_argument("--data", type=Path, default=Path(".darkroom"), help="folder of the running system")
    options.add_argument("--out", type=Path, default=Path("recorded.jsonl.gz"))
    args = options.parse_args()
    items, _ = asyncio.run(record(msgspec.json.decode(note(args.data).read_bytes(), type=Running)))
    write_items(items, args.out)
    print(f"{len(items)} jobs in {args.out}")


if __name__ == "__main__":
    main()
