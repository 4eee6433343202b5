"""Standing still is noticed, waiting on purpose is not."""

from collections.abc import Mapping

from streams.chunks.ledger import Ledger, Partition
from streams.chunks.watchdog import STUCK_AFTER_S, Sight, Watchdog

JOBS = Partition("jobs", 0)
QUEUE = Partition("queue", 0)


class World:
    def __init__(self, stuck_after: Mapping[str, float | None] | None = None) -> None:
        self.now = 1000.0
        self.ledger = Ledger(lambda: self.now)
        self.dog = Watchdog(self.ledger, lambda: self.now, stuck_after or {}, stall_after=60)

    def look(self, *sights: Sight, rebalancing: int | None = None, after: float = 0) -> str | None:
        self.now += after
        return self.dog.look(sights, rebalancing)


def sight(partition: Partition = JOBS, position: int | None = 5, end: int = 5, *, held_back: bool = False) -> Sight:
    return Sight(partition=partition, position=position, end=end, held_back=held_back)


def test_chunk_that_is_not_acknowledged_in_time_is_named() -> None:
    world = World({"jobs": 10})
    world.ledger.open(JOBS, 0)
    world.ledger.deliver(JOBS, 0, 7, 7)
    assert world.look(after=9.9) is None
    assert world.look(after=0.1) == "the chunk of jobs[0] that ends before offset 7 is not acknowledged after 10 s"


def test_acknowledged_chunk_is_not_stuck() -> None:
    world = World({"jobs": 10})
    world.ledger.open(JOBS, 0)
    world.ledger.ack(world.ledger.deliver(JOBS, 0, 7, 7))
    world.ledger.committed(0, {JOBS: 7})
    assert world.look(after=1000) is None


def test_topic_that_may_be_held_is_never_stuck_and_others_have_a_limit_unasked() -> None:
    world = World({"queue": None})
    world.ledger.open(QUEUE, 0)
    world.ledger.deliver(QUEUE, 0, 7, 7)
    assert world.look(after=1e6) is None
    world.ledger.open(JOBS, 0)
    world.ledger.deliver(JOBS, 0, 7, 7)
    assert world.look(after=STUCK_AFTER_S - 1) is None
    assert "jobs[0]" in (world.look(after=1) or "")


def test_stuck_chunk_is_found_though_the_broker_is_silent() -> None:
    world = World({"jobs": 10})
    world.ledger.open(JOBS, 0)
    world.ledger.deliver(JOBS, 0, 7, 7)
    world.now += 10
    assert "jobs[0]" in (world.dog.look(None, None) or "")


def test_records_that_nobody_delivers_are_a_stall() -> None:
    world = World()
    assert world.look(sight(position=5, end=9)) is None
    assert world.look(sight(position=5, end=12), after=59) is None
    assert world.look(sight(position=5, end=12), after=1) == "jobs[0] has records, none is delivered since 60 s or more"


def test_slow_is_not_stalled() -> None:
    world = World()
    assert all(world.look(sight(position=n, end=1000), after=59) is None for n in range(50))


def test_partition_whose_start_is_never_found_is_a_stall() -> None:
    world = World()
    assert world.look(sight(position=None, end=9)) is None
    assert "jobs[0]" in (world.look(sight(position=None, end=9), after=60) or "")


def test_idle_partition_and_full_window_are_no_stall() -> None:
    world = World()
    for _ in range(5):
        assert world.look(sight(), sight(QUEUE, 5, 99, held_back=True), after=60) is None


def test_wait_begins_anew_after_the_window_was_full() -> None:
    world = World()
    world.look(sight(position=5, end=9))
    world.look(sight(position=5, end=9, held_back=True), after=59)
    assert world.look(sight(position=5, end=9), after=59) is None
    assert world.look(sight(position=5, end=9), after=60) is not None


def test_finished_work_that_is_not_committed_is_a_stall() -> None:
    world = World()
    world.ledger.open(JOBS, 0)
    world.ledger.ack(world.ledger.deliver(JOBS, 0, 7, 7))
    assert world.look() is None
    assert world.look(after=60) == "jobs[0] is finished up to 7 and not committed since 60 s or more"


def test_commits_that_go_on_are_no_stall() -> None:
    world = World()
    world.ledger.open(JOBS, 0)
    for n in range(20):
        world.ledger.ack(world.ledger.deliver(JOBS, n, n + 1, 1))
        assert world.look(after=59) is None
        world.ledger.committed(0, world.ledger.committable())


def test_silent_broker_is_not_our_stall_and_starts_the_wait_anew() -> None:
    world = World()
    world.look(sight(position=5, end=9))
    world.now += 100
    assert world.dog.look(None, None) is None
    assert world.look(sight(position=5, end=9)) is None
    assert world.look(sight(position=5, end=9), after=60) is not None


def test_rebalance_without_end_is_a_stall_and_a_series_of_rebalances_is_not() -> None:
    world = World()
    for n in range(5):
        assert world.look(rebalancing=n, after=59) is None
    assert world.look(rebalancing=4, after=60) == "the same rebalance goes on since 60 s or more"


def test_partitions_are_not_judged_during_a_rebalance() -> None:
    world = World()
    world.look(sight(position=5, end=9))
    assert world.look(sight(position=5, end=9), rebalancing=1, after=60) is None
