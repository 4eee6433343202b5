"""What `submit` gives back: one job, to wait for, follow, cancel and take pictures from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.events import Result, Status
from darkroom.errors import Timeout
from darkroom.save import save_outputs

if TYPE_CHECKING:
    from darkroom.client import AsyncClient
    from darkroom.sync import Client
    from darkroom.watch import Watch


class AsyncHandle:
    """A job sent by an `AsyncClient`."""

    def __init__(self, client: AsyncClient, watch: Watch) -> None:
        self._client = client
        self._watch = watch

    @property
    def id(self) -> str:
        """The job's id."""
        return self._watch.id

    @property
    def tenant(self) -> str:
        """Who asked."""
        return self._watch.tenant or ""

    async def result(self, timeout: float | None = None, *, check: bool = True) -> Result:
        """Wait for the result (seconds). Raises `JobFailed` unless it succeeded (or `check` is false), `Conflict`, `Timeout`."""
        try:
            async with asyncio.timeout(timeout):
                return await self._client.outcome(self._watch, check=check)
        except TimeoutError:
            raise Timeout(f"No result of {self.id} after {timeout} s; last known state: {self._watch.state}.") from None

    def status(self) -> AsyncGenerator[Status]:
        """States as they come, from the first to the terminal one."""
        return self._watch.stream()

    async def cancel(self) -> None:
        """Ask for it to be cancelled; the result tells whether that came in time."""
        await self._client.cancel(self.id, tenant=self.tenant)

    async def save(self, path: str | os.PathLike[str], timeout: float | None = None) -> list[Path]:
        """Wait for the job and copy its files to `path`: a file, or a folder (it exists, or ends in a slash)."""
        result = await self.result(timeout)
        return await asyncio.to_thread(save_outputs, result, path)


class Handle:
    """A job sent by a `Client`."""

    def __init__(self, client: Client, inner: AsyncHandle) -> None:
        self._client = client
        self._inner = inner

    @property
    def id(self) -> str:
        """The job's id."""
        return self._inner.id

    @property
    def tenant(self) -> str:
        """Who asked."""
        return self._inner.tenant

    def result(self, timeout: float | None = None, *, check: bool = True) -> Result:
        """Wait for the result (seconds). Raises `JobFailed` unless it succeeded (or `check` is false), `Conflict`, `Timeout`."""
        return self._client.run(self._inner.result(timeout, check=check))

    def status(self) -> Iterator[Status]:
        """States as they come, from the first to the terminal one."""
        return self._client.iterate(self._inner.status())

    def cancel(self) -> None:
        """Ask for it to be cancelled; the result tells whether that came in time."""
        self._client.run(self._inner.cancel())

    def save(self, path: str | os.PathLike[str], timeout: float | None = None) -> list[Path]:
        """Wait for the job and copy its files to `path`: a file, or a folder (it exists, or ends in a slash)."""
        return self._client.run(self._inner.save(path, timeout))
