"""A pool that is scaled to zero keeps its queues as they are."""

from __future__ import annotations

from contracts.work import WorkerReport
from streams.policy.batching import STRANDED_S, Scheduler
from tests.unit.streams.policy.batching.world import FixedCaps, World, head


def _world_with_a_long_wait() -> World:
    world = World(Scheduler(FixedCaps(), batch_wait_s=0.0))
    world.queue("ordinary", head("a", "d"))
    world.now += STRANDED_S + 1
    return world


def test_jobs_are_not_rewritten_while_there_is_no_worker_at_all() -> None:
    world = _world_with_a_long_wait()
    assert world.scheduler.stranded(world.now) == []


def test_jobs_that_no_worker_can_run_make_room_once_there_are_workers() -> None:
    world = _world_with_a_long_wait()
    report = WorkerReport(worker="w", pool="default", at=world.now, generation=1, positions={0: 0}, models=["m1"])
    world.scheduler.report(report, world.now)
    assert [job.head.id for job in world.scheduler.stranded(world.now)] == ["a"]
