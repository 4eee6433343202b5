"""More jobs of one tenant than the scheduler holds: they wait elsewhere, lose nothing, and keep nobody waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from infra.jobstore import open_jobs
from streams.ports import Claim, Move
from tests.support.eventually import eventually
from tests.support.reporting_worker import ReportingWorker
from tests.support.schedulers import queue, ran, system

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BACKLOG = 5000
SIBLINGS = 600
"""Jobs of each of two more tenants, who share a partition of overflow."""
TOTAL = BACKLOG + 2 * SIBLINGS
WINDOW = 200
FEW = 5 * WINDOW
"""Jobs that may run before one that has just come: what the window holds, and what is done while the test looks."""


async def end(settings: Settings, id: str) -> None:
    """The job is cancelled, as settle does it; nobody tells the scheduler."""
    store = open_jobs(settings.store.jobs)
    about = {"fingerprint": b"x", "source": "0@0@0", "submitted_at": time.time(), "model": "noop@1", "tier": "ordinary"}
    await store.claim([Claim(tenant="acme", id=id, **about)])  # type: ignore[arg-type]
    assert await store.move([Move(tenant="acme", id=id, to="cancelled", attempt=None, source="0@1", at=time.time())]) == ["won"]
    await store.close()


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=[pytest.mark.chaos, pytest.mark.timeout(900)])])
async def test_a_backlog_larger_than_the_window_runs_once_whoever_is_killed_and_others_pass_it(
    bootstrap: str, topic_prefix: str, tmp_path: Path, kills: int
) -> None:
    opened = system(bootstrap, topic_prefix, tmp_path, window_jobs=WINDOW, jobs=f"sqlite:///{tmp_path / 'jobs.db'}")
    async with opened as (settings, scheduler, publisher), ReportingWorker(bootstrap, settings.topics, run_s=0.1) as worker:

        async def other(name: str) -> None:
            """A job of somebody else goes before nearly all of what waits."""
            before = len(worker.ran)
            await queue(publisher, settings, [name], tenant="other")
            await eventually(lambda: worker.ran[(name, 1)], what="the other tenant's job ran")
            assert len(worker.ran) - before < FEW

        def done(tenant: str) -> int:
            return sum(job.startswith(tenant) for job, _ in worker.ran)

        process = await scheduler()
        await process.scheduling()
        await queue(publisher, settings, [f"job-{number}" for number in range(BACKLOG)])
        await queue(publisher, settings, [f"bert-{number}" for number in range(SIBLINGS)], tenant="bert")
        await queue(publisher, settings, [f"cleo-{number}" for number in range(SIBLINGS)], tenant="cleo")
        await eventually(lambda: done("bert") == SIBLINGS, what="the second tenant's jobs ran")
        assert done("cleo") > SIBLINGS / 4, "who came third does not wait behind all of the second's"
        await other("other-1")
        await end(settings, f"job-{BACKLOG - 1}")
        for number in range(kills):
            await process.kill()
            process = await scheduler()
            await process.scheduling()
            await other(f"other-{number + 2}")
        await eventually(lambda: len(worker.ran) >= TOTAL + kills, within=60, what="all of it ran")
        assert {name: times for name, times in ran([worker]).items() if times > 1} == {}
        siblings = {f"{tenant}-{number}" for tenant in ("bert", "cleo") for number in range(SIBLINGS)}
        mine = {f"job-{number}" for number in range(BACKLOG - 1)}
        assert set(ran([worker])) == {f"other-{number + 1}" for number in range(kills + 1)} | siblings | mine
        assert await process.stop() == 0
