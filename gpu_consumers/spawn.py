"""A child process at the other end of a socket pair."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

END_S = 2.0
"""How long a process may take to end by itself once the pipe is closed (seconds)."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A process, and our end of the pair."""

    child: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def spawn(command: Sequence[str], arguments: Sequence[str]) -> Spawned:
    """Start a command; before the arguments it is given the number of its end of the pair."""
    ours, theirs = socket.socketpair()
    with theirs:
        # From the main thread, and waited for in it: the signal of PR_SET_PDEATHSIG comes when the starting thread ends.
        child = await asyncio.create_subprocess_exec(
            *command, str(theirs.fileno()), *arguments, pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL
        )
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return Spawned(child=child, reader=reader, writer=writer)


async def end(process: Spawned) -> None:
    """Hang up, which tells it to end; kill it if it does not."""
    process.writer.close()
    try:
        async with asyncio.timeout(END_S):
            await process.child.wait()
    except TimeoutError:
        process.child.kill()
        await process.child.wait()
