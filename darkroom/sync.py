"""The client for code that is not asynchronous: the asynchronous one on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

from contracts.brokers import Reach
from contracts.events import Job, Result, Status
from darkroom.build import JobOptions
from darkroom.client import AsyncClient
from darkroom.errors import NotReachable
from darkroom.handle import Handle

T = TypeVar("T")


class Client:
    """A connection to Darkroom; use it with `with`. Safe to share between threads."""

    def __init__(
        self,
        bootstrap_servers: Reach | None = None,
        *,
        tenant: str | None = None,
        prefix: str | None = None,
        data: str | os.PathLike[str] | None = None,
    ) -> None:
        """Find Darkroom; `tenant` is who asks unless a job says otherwise. Raises `NotRunning`.

        It is at `bootstrap_servers`, else where the data folder of `darkroom up` says, else where the environment does
        (`DARKROOM_KAFKA_BOOTSTRAP_SERVERS`), else on `.darkroom` in the working folder.
        """
        self._inner = AsyncClient(bootstrap_servers, tenant=tenant, prefix=prefix, data=data)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Connect. Raises `NotReachable`."""
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="darkroom-client", daemon=True)
        self._thread.start()
        try:
            self.run(self._inner.start())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Disconnect; jobs already sent go on."""
        if self._loop:
            try:
                self.run(self._inner.close())
            finally:
                self._end()

    def submit(
        self,
        job: Job | str | None = None,
        /,
        *,
        prompt: str | None = None,
        tenant: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Handle:
        """Send a job, or a prompt, and return when Kafka has it for good. Raises `InvalidJob`, `NotReachable`.

        Sending the same job again, with its id, is always safe: it runs once.
        """
        return Handle(self, self.run(self._inner.submit(job, prompt=prompt, tenant=tenant, **options)))

    def submit_many(self, jobs: Iterable[Job]) -> list[Handle]:
        """Send many jobs, much quicker than one by one; handles in the order of the jobs."""
        return [Handle(self, inner) for inner in self.run(self._inner.submit_many(jobs))]

    def result(self, id: str, timeout: float | None = None, *, tenant: str | None = None, check: bool = True) -> Result:
        """Wait for a job's result, also of a job that another process sent. `timeout` is in seconds.

        Raises `JobFailed` unless it succeeded (or `check` is false), `Conflict`, `Timeout`.
        """
        return self.run(self._inner.result(id, timeout, tenant=tenant, check=check))

    def status(self, id: str, *, tenant: str | None = None) -> Iterator[Status]:
        """A job's states as they come, from the first to the terminal one."""
        return self.iterate(self._inner.status(id, tenant=tenant))

    def cancel(self, id: str, *, tenant: str | None = None) -> None:
        """Ask for a job to be cancelled; its result tells whether that came in time."""
        self.run(self._inner.cancel(id, tenant=tenant))

    def run(self, step: Awaitable[T]) -> T:
        """Run one step of the asynchronous client on its thread and wait for it."""
        if self._loop is None:
            raise NotReachable("The client is not connected: use it with `with`, or call `start` first.")
        task = asyncio.run_coroutine_threadsafe(_coroutine(step), self._loop)
        try:
            return task.result()
        except BaseException:
            task.cancel()
            raise

    def iterate(self, states: AsyncGenerator[Status]) -> Iterator[Status]:
        """An iterator over what an asynchronous one yields."""
        try:
            while (status := self.run(anext(states, None))) is not None:
                yield status
        finally:
            if self._loop:
                self.run(states.aclose())

    def _end(self) -> None:
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop and thread:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _coroutine(step: Awaitable[T]) -> T:
    return await step
