"""`darkroom demo`: a whole system, two dozen jobs, and their pictures."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click
from rich.console import Console

from darkroom.cli.where import FOLDER
from darkroom.demo.run import Demo
from infra.local.progress import download_progress

WIDTH = 130
"""Columns where there is no terminal to ask."""


@click.command
@click.option("--out", type=FOLDER, default=Path("demo-output"), show_default=True, help="Folder for pictures and results.")
@click.option("--model", help="Another model than the built-in one, e.g. noop.")
def demo(*, out: Path, model: str | None) -> None:
    """Start a system on free ports, send it two dozen jobs, show what becomes of each, stop it.

    Three tenants, three priorities, several sizes; one job is sent twice, one takes another's id, one is invalid, one is
    cancelled, one has no chance to be in time. Leaves a contact sheet, a file for each picture, and results.jsonl.
    Exits with 1 if any job ended otherwise than expected.
    """
    asyncio.run(_demo(out, model))


async def _demo(out: Path, model: str | None) -> None:
    with download_progress() as download:
        console = Console()
        if not console.is_terminal:
            console.width = WIDTH
        show = Demo(out, console, model=model, download=download)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, show.stop)
        await show.run()
