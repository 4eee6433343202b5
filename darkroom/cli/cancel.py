"""`darkroom cancel`: take a job back."""

from __future__ import annotations

import asyncio

import click

from contracts.events import Result
from darkroom.cli import show
from darkroom.cli.where import Where, json_option, tenant_option, where_options
from darkroom.errors import Timeout

ANSWER_S = 10.0
"""A cancelled job's result comes within a second or so, unless the system is stopped."""


@click.command
@click.argument("id")
@tenant_option
@json_option
@where_options
def cancel(*, id: str, tenant: str, json: bool, where: Where) -> int:
    """Cancel a job and say what became of it.

    Exits with 0 if it is cancelled, and with 1 if it had ended otherwise or nothing is known of it.
    """
    result = asyncio.run(_cancel(where, id, tenant))
    show.json(result) if json else show.line(show.result_line(result))
    return 0 if result.state == "cancelled" else 1


async def _cancel(where: Where, id: str, tenant: str) -> Result:
    async with where.client(tenant) as client:
        await client.cancel(id)
        try:
            return await client.result(id, ANSWER_S, check=False)
        except Timeout:
            message = f"The cancellation is sent, but no job {id} of tenant {tenant} has answered it yet."
            raise Timeout(message) from None
