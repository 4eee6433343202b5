"""`darkroom costs`: what runs cost, as far as it was measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median

import click
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from contracts.work import LearnedCost
from darkroom.cli import show
from darkroom.cli.files import files
from darkroom.cli.where import Where, json_option, where_options
from darkroom.system.learned import learned
from streams.policy.cost import batch_gain, work_in
from streams.policy.cost_model import CostModel

BATCH = 8
"""Like jobs in one batch, to show what batching gains."""


class Row(Struct, frozen=True, kw_only=True):
    """What is known of one batch key on one device class."""

    key: str
    device: str
    runs: int
    alone_s: float
    """Of the smallest run that was measured (seconds)."""
    gain: float
    """How much faster eight of these are in one batch."""
    error: float
    """Four of five runs take between a prediction ÷ (1 + this) and × (1 + this)."""
    held: float | None
    """Share of all runs so far that did; None: none was predicted yet."""
    load_s: float | None
    """Loading the model."""
    memory_bytes: int | None
    """Of the smallest run, at the peak."""


@click.command
@json_option
@where_options
def costs(*, json: bool, where: Where) -> None:
    """Show what runs take, as measured, by batch key and class of device.

    "one": seconds of the smallest job that ran. "8 at once": how many times faster eight of them are in one batch than one
    after the other. "±": four of five runs are to end within the prediction times or over 1 + this; "held": how many did.
    """
    rows = asyncio.run(_rows(where))
    if json:
        for row in rows:
            show.json(row)
    else:
        Console().print(_table(rows) if rows else "No run was measured yet.")


async def _rows(where: Where) -> list[Row]:
    at = where.place()
    known = await learned(at)
    model = CostModel(files(where).catalog)
    for one in known:
        model.restore(one)
    return [_row(one, model) for one in known if one.measured]


def _row(known: LearnedCost, model: CostModel) -> Row:
    one = work_in(min(known.measured, key=lambda run: run.row_steps))
    told = model.estimate(known.model, known.key, one, known.device)
    return Row(
        key=known.key,
        device=known.device,
        runs=known.judged,
        alone_s=round(told.seconds, 6),
        gain=round(batch_gain(model, known.model, known.key, one, BATCH, device=known.device), 2),
        error=round(told.error, 3),
        held=round(known.held / known.judged, 3) if known.judged else None,
        load_s=round(median(known.loads), 3) if known.loads else None,
        memory_bytes=told.memory_bytes,
    )


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("batch key", "device", "runs", "one", "8 at once", "±", "held", "load", "memory"):
        first = name == "batch key"
        table.add_column(name, no_wrap=not first, overflow="fold", justify="left" if first else "right")
    for row in rows:
        table.add_row(
            row.key,
            row.device,
            str(row.runs),
            f"{row.alone_s:.3g} s",
            f"{row.gain:.2g} ×",
            f"{row.error:.0%}",
            "" if row.held is None else f"{row.held:.0%}",
            "" if row.load_s is None else f"{row.load_s:.2g} s",
            "" if row.memory_bytes is None else f"{row.memory_bytes / 2**30:.3g} GiB",
        )
    return table
