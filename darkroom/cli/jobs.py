"""`darkroom jobs`: what the job store knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, get_args

import click
import msgspec
from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table

from contracts.events import Result, State
from darkroom.cli import show
from darkroom.cli.store import job_store
from darkroom.cli.where import Where, json_option, where_options
from streams.ports import JobRow


@click.command
@click.option("--tenant", help="Only this tenant's.")
@click.option("--state", type=click.Choice(get_args(State)), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many.")
@json_option
@where_options
def jobs(*, tenant: str | None, state: State | None, limit: int, json: bool, where: Where) -> None:
    """List jobs, newest first."""
    rows = asyncio.run(_rows(where, tenant, state, limit))
    if json:
        for row in rows:
            show.json(_plain(row))
    else:
        Console().print(_table(rows) if rows else "No jobs.")


async def _rows(where: Where, tenant: str | None, state: State | None, limit: int) -> list[JobRow]:
    async with job_store(where) as store:
        return await store.recent(tenant, state, limit)


def _plain(row: JobRow) -> dict[str, Any]:
    return asdict(row) | {"result": msgspec.Raw(row.result) if row.result else None}


def _table(rows: Sequence[JobRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("submitted", "tenant", "id", "tier", "model", "state", "tries", "error"):
        table.add_column(name, overflow="fold")
    for row in rows:
        tries = str(row.attempt)
        table.add_row(show.clock(row.submitted_at), row.tenant, row.id, row.tier, row.model, row.state, tries, _error(row.result))
    return table


def _error(result: bytes | None) -> str:
    error = msgspec.json.decode(result, type=Result).error if result else None
    return error.code if error else ""
