"""control: `control` → cancels noted in the job store, `outcomes` for jobs that are on their way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.events import TERMINAL, Control, JobError
from contracts.metrics import Metrics
from contracts.records import Publishing, Record
from contracts.topics import Topics
from contracts.work import Outcome
from streams.agents.loop import take_chunks
from streams.chunks import RawSchema
from streams.patience import patiently
from streams.policy.decode import read_control, sender_of
from streams.policy.rejected import Rejected
from streams.ports import JobStore
from streams.tell import Clock, Tell, letter, place_of, trace

CANCELLED = JobError(code="cancelled", message="cancelled on request")


def attach(app: Any, *, control: ControlJobs, topics: Topics, metrics: Metrics) -> None:
    """Let the app's agent read `control`."""
    channel = app.topic(topics.control, schema=RawSchema(), partitions=1)

    @app.agent(channel, name="control")
    async def run(stream: Any) -> None:
        await take_chunks(stream, "control", control, metrics)


class ControlJobs:
    """Carries out orders about jobs. A cancel of a job that ended already changes nothing."""

    def __init__(self, *, store: JobStore, publisher: Publishing, topics: Topics, clock: Clock) -> None:
        self._store = store
        self._publisher = publisher
        self._tell = Tell(topics, "control")
        self._clock = clock

    async def __call__(self, records: Sequence[Any]) -> None:
        """Returns once all that follows from these records is durable."""
        now = self._clock()
        orders: list[tuple[Control, Any]] = []
        onward: list[Record] = []
        for record in records:
            try:
                orders.append((read_control(record.value), record))
            except Rejected as error:
                onward.append(self._refusal(record, error, now))
        jobs = [(order.tenant, order.id) for order, _ in orders]
        states = await patiently(self._store.cancel, jobs, now) if jobs else []
        for (order, record), state in zip(orders, states, strict=True):
            if state is not None and state not in TERMINAL:
                end = Outcome(id=order.id, tenant=order.tenant, state="cancelled", at=now, error=CANCELLED)
                onward.append(self._tell.outcome(end, trace(record)))
        await self._publisher.publish(onward)

    def _refusal(self, record: Any, rejected: Rejected, now: float) -> Record:
        # Silent: a "rejected" result would be taken for the end of the job that the order is about.
        sender = sender_of(record.value)
        refusal = Outcome(
            id=sender.id,
            tenant=sender.tenant,
            state="rejected",
            at=now,
            error=rejected.error,
            source=f"control/{place_of(record)}",
            silent=True,
            dead=letter(record, rejected.error, now, id=sender.id, tenant=sender.tenant),
        )
        return self._tell.outcome(refusal, trace(record))
