"""`darkroom submit`: send one job."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, get_args

import click

from contracts.events import TIERS, Job, Result, Task
from darkroom.build import build_job
from darkroom.cli import show
from darkroom.cli.where import Where, json_option, tenant_option, where_options
from darkroom.handle import AsyncHandle
from darkroom.save import save_outputs


@click.command
@click.argument("prompt")
@tenant_option
@click.option("--priority", type=click.Choice(TIERS), help="Which tier it queues in.  [default: ordinary]")
@click.option("--negative-prompt", help="What it must not show.")
@click.option("--width", type=int, help="Pixels.")
@click.option("--height", type=int, help="Pixels.")
@click.option("--steps", type=int, help="Denoising steps.")
@click.option("--guidance", type=float, help="Guidance scale.")
@click.option("--seed", type=int, help="The same seed makes the same picture.")
@click.option("--count", type=int, help="Pictures to make.")
@click.option("--frames", type=int, help="Frames of a video.")
@click.option("--fps", type=int, help="Frames a second of a video.")
@click.option("--image", help="URL or object key of the input picture.")
@click.option("--format", type=click.Choice(("png", "jpeg", "webp")), help="File format of the pictures.")
@click.option("--model", help="Model name, or name@version.")
@click.option("--task", type=click.Choice(get_args(Task)), help="[default: text-to-image]")
@click.option("--id", help="The job's id; sending the same job again with its id is safe.  [default: a new one]")
@click.option("--ttl", "ttl_s", type=float, help="It expires after so many seconds.")
@click.option(
    "--degrade", type=click.Choice(("never", "allowed")), help="Whether fewer steps or pixels will do after two failures."
)
@click.option("--dry-run", is_flag=True, help="Send nothing: show the price and when it may be done, or why it is refused.")
@click.option("--wait", is_flag=True, help="Wait for the result, showing its progress on stderr.")
@click.option("--out", type=click.Path(path_type=Path), help="Wait, and save the picture here: a file, or a folder.")
@click.option("--timeout", type=float, help="How long to wait (seconds).")
@json_option
@where_options
def submit(
    *,
    prompt: str,
    tenant: str,
    dry_run: bool,
    wait: bool,
    out: Path | None,
    timeout: float | None,
    json: bool,
    where: Where,
    **options: Any,
) -> int:
    """Send a job; prints its id.

    What is left out takes the model's default. With --wait or --out it prints the result, and exits with 0 if the job
    succeeded and 1 if not.

    Example: darkroom submit "a red circle above a blue square" --tenant acme --priority paid --out picture.png
    """
    said = {name: value for name, value in options.items() if value is not None}
    job = build_job(prompt, tenant, said)
    if dry_run:
        return _try(job, json=json, where=where)
    return asyncio.run(_submit(job, wait=wait, out=out, timeout=timeout, json=json, where=where))


def _try(job: Job, *, json: bool, where: Where) -> int:
    from darkroom.cli import forecast  # the policy is only needed here

    told = asyncio.run(forecast.ask(job, where))
    if json:
        show.json(told)
    else:
        show.line("\n".join(forecast.lines(told)))
    return 0 if told.error is None else 1


async def _submit(job: Job, *, wait: bool, out: Path | None, timeout: float | None, json: bool, where: Where) -> int:
    async with where.client() as client:
        handle = await client.submit(job)
        if not (wait or out):
            show.json({"id": handle.id, "tenant": handle.tenant}) if json else show.line(handle.id)
            return 0
        show.note(handle.id)
        telling = asyncio.create_task(_tell(handle))
        try:
            result = await handle.result(timeout, check=False)
        finally:
            telling.cancel()
    return _end(result, out, json=json)


async def _tell(handle: AsyncHandle) -> None:
    async for status in handle.status():
        show.note(show.status_line(status))


def _end(result: Result, out: Path | None, *, json: bool) -> int:
    files = save_outputs(result, out) if out and result.outputs else []
    if json:
        show.json(result)
    else:
        show.line(show.result_line(result))
        for file in map(str, files) if files else (output.url for output in result.outputs):
            show.line(f"  {file}")
    return 0 if result.state == "succeeded" else 1
