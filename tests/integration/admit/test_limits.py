"""One tenant sends far more than it may, the streams process is killed meanwhile: parked jobs run at their rate, none is lost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.codec import encode
from contracts.events import Control, Result
from infra.settings import Tenants
from tests.support.bad_jobs import good
from tests.support.eventually import eventually
from tests.support.ledger import once_each
from tests.support.streams import Part, Streams, streams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PER_S, BURST, BACKLOG, TOO_MANY = 4.0, 10, 40, 40
LIMITS = f"[tenants.greedy]\njobs_per_s = {PER_S}\nburst_jobs = {BURST}\nbacklog_jobs = {BACKLOG}\n"


@dataclass(kw_only=True)
class System:
    """A whole one, and what it has told so far."""

    streams: Streams
    app: Part
    results: list[Result]

    async def send(self, tenant: str, *ids: str) -> None:
        bodies = [(id, json.dumps(good(id, tenant=tenant)).encode()) for id in ids]
        await self.streams.send(self.streams.topics.jobs, bodies)

    async def cancel(self, tenant: str, id: str) -> None:
        order = encode(Control(id=id, tenant=tenant, action="cancel"))
        await self.streams.send(self.streams.topics.control, [(id, order)])

    def of(self, tenant: str, state: str = "") -> list[Result]:
        """Results of a tenant."""
        return [one for one in self.results if one.tenant == tenant and one.state.startswith(state)]

    async def parked(self) -> list[str]:
        """All that ever were, those with the longest waits last."""
        records = await self.streams.read(self.streams.topics.parked("default"))
        return [one.key.decode() for one in sorted(records, key=_by_line)]

    async def ended(self, tenant: str, count: int, state: str = "") -> list[Result]:
        """The same, once there are so many."""
        await eventually(lambda: len(self.of(tenant, state)) >= count, within=120, what=f"{count} results of {tenant}")
        return self.of(tenant, state)


def _by_line(record: Any) -> tuple[int, int]:
    return record.partition, record.offset


@pytest.fixture
async def system(bootstrap: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[System]:
    file = tmp_path / "tenants.toml"
    file.write_text(LIMITS)
    async with streams(bootstrap, topic_prefix, tmp_path) as one:
        one.settings = msgspec.structs.replace(one.settings, tenants=Tenants(file=str(file)))
        app = await one.start("streams.app")
        for module in ("streams.settle_app", "gpu_consumers.app"):
            await one.start(module)
        async with one.follow(one.topics.results, Result) as results:
            yield System(streams=one, app=app, results=results)


EARLY_S = 0.05
"""Between reading two clocks."""


def turn_of(number: int) -> float:
    """Seconds after the first that the n-th job that is let in may start."""
    return max(0.0, (number + 1 - BURST) / PER_S)


def started(results: list[Result]) -> list[float]:
    return sorted(one.timings.started_at for one in results if one.timings and one.timings.started_at)


async def test_what_is_above_the_rate_waits_what_is_above_the_allowance_is_told_when_to_come_again_and_nobody_else_feels_it(
    system: System,
) -> None:
    ids = [f"g{n}" for n in range(BURST + BACKLOG + TOO_MANY)]
    await system.send("greedy", *ids)
    await system.ended("greedy", 3, "rejected")
    unwanted = (await system.parked())[-1]
    await system.cancel("greedy", unwanted)
    await system.send("modest", *(f"m{n}" for n in range(5)))
    await system.ended("greedy", 1, "cancelled")
    modest = await system.ended("modest", 5)
    killed_at = time.time()
    await system.app.kill()
    await system.app.start()
    told = await system.ended("greedy", len(ids))

    assert not once_each(ids, [one.id for one in told])
    assert {one.state for one in told + modest} == {"succeeded", "rejected", "cancelled"}
    assert [one.id for one in told if one.state == "cancelled"] == [unwanted]
    busy = [one.error for one in told if one.error and one.state == "rejected"]
    assert all(one.code == "busy" and 0 < (one.retry_after_s or 0) <= TOO_MANY / PER_S for one in busy)
    starts = started(told)
    first = min(one.timings.admitted_at for one in told if one.timings and one.timings.started_at)
    early = [n for n, at in enumerate(starts) if at < first + turn_of(n) - EARLY_S]
    assert not early, "more jobs started than the rate allows"
    assert starts[-1] > killed_at, "nobody was parked any more: this proves nothing"
    assert max(started(modest)) < starts[-1], "somebody else waited for the greedy one's jobs"

    refused = system.of("greedy", "rejected")[-1]
    assert refused.error is not None
    await asyncio.sleep(refused.error.retry_after_s or 0)
    await system.send("greedy", refused.id)
    again = await system.ended("greedy", len(ids) + 1)
    assert (again[-1].id, again[-1].state) == (refused.id, "succeeded")
