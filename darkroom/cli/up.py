"""`darkroom up`: a whole system on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from darkroom.cli import show
from darkroom.cli.where import FILE, FOLDER, json_option
from darkroom.running import DATA, Running
from darkroom.system.plan import Options
from darkroom.system.run import System
from infra.local.progress import download_progress


@click.command
@click.option("--data", type=FOLDER, default=DATA, show_default=True, help="Folder for records, job state, outputs, logs.")
@click.option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of starting one.")
@click.option("--kafka-port", type=click.IntRange(1, 65535), help="Port of the Kafka it starts.  [default: any free one]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="GPU consumers to run.")
@click.option("--models", type=FILE, help="Catalogue of models (TOML).  [default: the built-in one]")
@json_option
def up(*, data: Path, kafka: str | None, kafka_port: int | None, workers: int, models: Path | None, json: bool) -> None:
    """Run Darkroom on this machine until Ctrl-C: Kafka, the stream processes and the GPU consumers.

    What dies is started again. Ctrl-C or SIGTERM stops in order: running pictures are finished first; a second Ctrl-C
    does not wait for them. Jobs still queued wait in the data folder for the next `up`.
    """
    options = Options(data=data, kafka=kafka, kafka_port=kafka_port, workers=workers, catalog=models)
    asyncio.run(_up(options, json=json))


async def _up(options: Options, *, json: bool) -> None:
    with download_progress() as download:
        system = System(options, say=show.note, ready=show.json if json else _welcome, download=download)
        _obey_signals(system)
        show.note(f"Starting Darkroom on {options.data} …")
        await system.run()
    show.note("Stopped.")


def _obey_signals(system: System) -> None:
    def asked() -> None:
        show.note("Stopping; once more to hurry …")
        system.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked)


def _welcome(running: Running) -> None:
    names = ", ".join(f"{one.name} ({one.pid})" for one in running.processes)
    show.line(
        "Darkroom is running.\n"
        f"  Kafka      {running.bootstrap_servers}  (topics {running.topics['jobs']}, {running.topics['results']}, …)\n"
        f"  Outputs    {running.objects}\n"
        f"  Logs       {running.logs}\n"
        f"  Processes  {names}\n"
        'Try, in another shell:  darkroom submit "a red circle on a white background" --out circle.png\n'
        "Ctrl-C stops it."
    )
