"""The asynchronous client: send jobs, follow them, take results."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable
from types import TracebackType
from typing import Self, Unpack

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from contracts.brokers import Reach
from contracts.codec import encode
from contracts.events import Control, Job, Result, Status
from contracts.headers import event_headers
from darkroom.board import Board
from darkroom.build import JobOptions, build_job, checked
from darkroom.errors import Conflict, InvalidJob, JobFailed, NotReachable, Timeout
from darkroom.feed import Feed
from darkroom.handle import AsyncHandle
from darkroom.history import tell_past
from darkroom.place import find
from darkroom.watch import Watch
from darkroom.wire import SEND_S, producer, reach

REMEMBERED = 100_000
"""Jobs sent whose news is kept for later calls by id; older ones are looked up in Kafka when asked for."""

IN_FLIGHT = 2_000
"""Jobs that `submit_many` sends before it waits for their acknowledgement."""


class AsyncClient:
    """A connection to Darkroom; use it with `async with`. Not to be shared between event loops."""

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
        (`DARKROOM_KAFKA_BOOTSTRAP_SERVERS`), else on `.darkroom` in the working folder. A Kafka that wants passwords or
        certificates is told by `Brokers` instead of its bare address, or by the environment (`DARKROOM_KAFKA_USER` …).
        """
        self._place = find(bootstrap_servers, prefix=prefix, data=data)
        self._tenant = tenant
        self._board = Board(self._place.topics)
        self._sent: OrderedDict[str, Watch] = OrderedDict()
        self._feed: Feed | None = None
        self._sender: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def start(self) -> None:
        """Connect. Raises `NotReachable`."""
        self._feed = Feed(self._place, self._board)
        self._sender = producer(self._place)
        try:
            await self._feed.start()
            await reach(self._sender.start(), self._place)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; jobs already sent go on."""
        if self._feed:
            await self._feed.stop()
        if self._sender:
            with contextlib.suppress(KafkaError, OSError):
                await self._sender.stop()
        self._feed = self._sender = None

    @property
    def _producer(self) -> AIOKafkaProducer:
        if self._sender is None:
            raise NotReachable("The client is not connected: use it with `async with`, or call `start` first.")
        return self._sender

    async def submit(
        self,
        job: Job | str | None = None,
        /,
        *,
        prompt: str | None = None,
        tenant: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncHandle:
        """Send a job, or a prompt, and return when Kafka has it for good. Raises `InvalidJob`, `NotReachable`.

        Sending the same job again, with its id, is always safe: it runs once.
        """
        if isinstance(job, Job):
            return (await self._send([checked(job)]))[0]
        return (await self._send([build_job(job or prompt, tenant or self._tenant, options)]))[0]

    async def submit_many(self, jobs: Iterable[Job]) -> list[AsyncHandle]:
        """Send many jobs, much quicker than one by one; handles in the order of the jobs."""
        handles: list[AsyncHandle] = []
        waiting: list[Job] = []
        for job in jobs:
            waiting.append(checked(job))
            if len(waiting) == IN_FLIGHT:
                handles += await self._send(waiting)
                waiting = []
        return handles + await self._send(waiting)

    async def result(self, id: str, timeout: float | None = None, *, tenant: str | None = None, check: bool = True) -> Result:
        """Wait for a job's result, also of a job that another process sent. `timeout` is in seconds.

        Raises `JobFailed` unless it succeeded (or `check` is false), `Conflict`, `Timeout`.
        """
        try:
            async with asyncio.timeout(timeout):
                watch = await self.watch(id, tenant)
                return await self.outcome(watch, check=check)
        except TimeoutError:
            state = self._sent[id].state if id in self._sent else "unknown"
            raise Timeout(f"No result of {id} after {timeout} s; last known state: {state}.") from None

    async def status(self, id: str, *, tenant: str | None = None) -> AsyncGenerator[Status]:
        """A job's states as they come, from the first to the terminal one."""
        watch = await self.watch(id, tenant)
        async for status in watch.stream():
            yield status

    async def cancel(self, id: str, *, tenant: str | None = None) -> None:
        """Ask for a job to be cancelled; its result tells whether that came in time."""
        known = self._sent.get(id)
        tenant = tenant or (known.tenant if known else None) or self._tenant
        if tenant is None:
            raise InvalidJob("tenant", "is required: ids are unique within a tenant only")
        body = encode(Control(id=id, tenant=tenant, action="cancel"))
        headers = event_headers("control", "client")
        sending = self._producer.send_and_wait(self._place.topics.control, body, key=id.encode(), headers=headers)
        await reach(sending, self._place)

    async def watch(self, id: str, tenant: str | None) -> Watch:
        """What is known of a job: by its sender's watch, or by one newly told of the past."""
        known = self._sent.get(id)
        if known and tenant in (None, known.tenant):
            return known
        watch = Watch(id, tenant or self._tenant, asked=False)
        await tell_past(self._place, self._board, watch)
        return watch

    async def outcome(self, watch: Watch, *, check: bool) -> Result:
        """Wait for the result that a watch will get."""
        while not (watch.conflict or watch.final):
            if watch.from_the_past:
                await tell_past(self._place, self._board, watch)
            else:
                await watch.change()
        if watch.conflict:
            raise Conflict(watch.id, watch.conflict)
        return _judged(watch.final, check=check)

    async def _send(self, jobs: list[Job]) -> list[AsyncHandle]:
        handles = [AsyncHandle(self, self._expect(job)) for job in jobs]
        headers = event_headers("job", "client")
        topic = self._place.topics.jobs
        try:
            async with asyncio.timeout(SEND_S):
                acks = [await self._producer.send(topic, encode(job), key=job.id.encode(), headers=headers) for job in jobs]
                await asyncio.gather(*acks)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unsure(self._place.bootstrap_servers) from error
        return handles

    def _expect(self, job: Job) -> Watch:
        watch = Watch(job.id, job.tenant, asked=True)
        self._board.add(watch)
        self._sent[job.id] = watch
        self._sent.move_to_end(job.id)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        return watch


def _judged(result: Result | None, *, check: bool) -> Result:
    assert result  # What the loop waited for.
    if check and result.state != "succeeded":
        raise JobFailed(result)
    return result


def _unsure(servers: str) -> NotReachable:
    return NotReachable(
        f"Kafka at {servers} did not confirm the job. It may have been taken all the same: sending it again with its id is safe."
    )
