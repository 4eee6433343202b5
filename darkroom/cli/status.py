"""`darkroom status`: how the system is."""

from __future__ import annotations

import asyncio
import time
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table

from contracts.events import State
from contracts.pools import PoolState
from darkroom.cli import show
from darkroom.cli.store import job_store
from darkroom.cli.where import Where, json_option, where_options
from darkroom.errors import NotRunning
from darkroom.running import Process, Running
from darkroom.system.lag import waiting, workers
from darkroom.system.pools import coming, pools
from darkroom.system.program import answers

COUNTED = 10_000
"""Jobs of one state that are counted exactly."""


@click.command
@json_option
@where_options
def status(*, json: bool, where: Where) -> None:
    """Show processes, what waits where, workers, and jobs by state."""
    facts = asyncio.run(_facts(where))
    if json:
        show.json(facts)
    else:
        _print(facts)


async def _facts(where: Where) -> dict[str, Any]:
    place = where.place()
    running = _here(where)
    lag = await waiting(place)
    reports = await workers(place, time.time())
    return {
        "kafka": place.bootstrap_servers,
        "processes": [await _process(one) for one in running.processes] if running else None,
        "waiting": {one.topic: one.records for one in lag},
        "queues": {name: _queues(state) for name, state in (await pools(place)).items()},
        "workers": [{"worker": one.worker, "pool": one.pool, "models": one.models, "slots": one.slots} for one in reports],
        "jobs": await _counts(where) if running else None,
    }


def _here(where: Where) -> Running | None:
    """The system on this machine; with --kafka it may be on others."""
    try:
        return None if where.kafka else where.running()
    except NotRunning:
        return None


async def _process(process: Process) -> dict[str, Any]:
    ready = await answers(process.http_port) if process.http_port else True
    return {"name": process.name, "pid": process.pid, "ready": ready, "http_port": process.http_port}


def _queues(state: PoolState) -> dict[str, Any]:
    """Of a pool by tier: what waits, and when a small job of a new tenant that came now would be done."""
    etas = {tier: coming(state, tier, "", 0.0, "", time.time()) for tier in state.tiers}
    return {
        tier: {
            "jobs": queue.jobs,
            "gpu_s": round(queue.gpu_s, 3),
            "eta_s": round(eta.eta_s, 3) if (eta := etas[tier]) else None,
        }
        for tier, queue in state.tiers.items()
    }


def _queue_line(queue: dict[str, Any]) -> str:
    begin = "nobody works" if queue["eta_s"] is None else f"a new tenant's job waits about {show.span(queue['eta_s'])}"
    return f"{queue['jobs']} jobs of {queue['gpu_s']:.3g} GPU-seconds, {begin}"


async def _counts(where: Where) -> dict[str, int]:
    async with job_store(where) as store:
        found = {state: len(await store.recent(None, state, COUNTED)) for state in get_args(State)}
    return {state: count for state, count in found.items() if count}


def _print(facts: dict[str, Any]) -> None:
    console = Console()
    console.print(f"Kafka at {facts['kafka']}")
    for one in facts["processes"] or ():
        console.print(f"  {one['name']:<12} {'ready' if one['ready'] else 'NOT READY'}  (process {one['pid']})", highlight=False)
    console.print(_table("Waiting", facts["waiting"]))
    queues = {f"{pool} {tier}": _queue_line(one) for pool, tiers in facts["queues"].items() for tier, one in tiers.items()}
    console.print(_table("Queues", queues))
    console.print(
        _table("Workers", {one["worker"]: f"pool {one['pool']}: {', '.join(one['models'])}" for one in facts["workers"]})
    )
    if facts["jobs"] is not None:
        console.print(_table("Jobs", {state: f"{count}{'+' * (count == COUNTED)}" for state, count in facts["jobs"].items()}))


def _table(title: str, rows: dict[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    for name, value in (rows or {"none": ""}).items():
        table.add_row(f"  {name}", str(value))
    return table
