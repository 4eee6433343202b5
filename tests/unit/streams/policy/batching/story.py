"""Everything that can happen to a scheduler, one step at a time."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from contracts.events import TIERS
from streams.policy.overflow import Overflow
from tests.unit.streams.policy.batching.world import MODELS, PARTITIONS, WAIT_S, FixedCaps, World, head

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from streams.policy.batching import Scheduler

IDS = [f"job-{number}" for number in range(8)]
SOON_S = [0.001, 0.5, 3.0]


class Story:
    """A world and the dice that say what happens in it: a seeded generator, or hypothesis, which can shrink."""

    def __init__(self, make: type[Scheduler], dice: Random) -> None:
        room = dice.choice([inf, 6, 12])
        self.world = World(make(FixedCaps(), batch_wait_s=WAIT_S, overflow=Overflow(room, 2)), room)
        self.world.reassign([0, 1, 2, 0])
        self._dice = dice
        self._made = 0
        self.everyone_reports()

    def tell(self, steps: int) -> None:
        """So many steps, then whatever is open comes to its end."""
        happenings: list[Callable[[], None]] = [
            self.new_jobs,
            self.a_job_seen_before_perhaps,
            self.a_job_with_a_deadline,
            self.a_job_for_later,
            self.a_part_of_a_lost_batch,
            self.a_device_runs_out_of_memory,
            self.a_cancel,
            self.one_reports,
            self.everyone_reports,
            self.workers_rebalance,
            self.a_batch_finishes,
            self.time_passes,
            self.world.pump,
            self.something_arrives_or_not,
            self.the_scheduler_starts_over,
            self.the_stranded_are_moved,
            self.what_waits_for_long_is_renewed,
            self.overflow_takes_jobs_or_gives_them_back,
        ]
        for _ in range(steps):
            self._dice.choice(happenings)()
        self.world.settle()

    def _rarely(self) -> bool:
        return self._dice.randrange(4) == 3

    def _queue(self, name: str, key: str, **changes: object) -> None:
        self.world.queue(self._dice.choice(TIERS), head(name, key, **changes))

    def _new(self) -> tuple[str, str]:
        self._made += 1
        return f"new-{self._made}", self._dice.choice(sorted(MODELS))

    def new_jobs(self) -> None:
        count = self._dice.choice([1, 1, 1, 2, 5])
        tenant = self._dice.choice(["t", "t", "u", "v"])
        for _ in range(self._dice.randrange(4) + 1):
            self._queue(*self._new(), count=count, tenant=tenant)

    def a_job_seen_before_perhaps(self) -> None:
        self._queue(self._dice.choice(IDS), "a", attempt=self._dice.choice([1, 2]))

    def a_job_with_a_deadline(self) -> None:
        tenant = self._dice.choice(["t", "u"])
        self._queue(*self._new(), tenant=tenant, deadline=self.world.now + self._dice.choice(SOON_S))

    def a_job_for_later(self) -> None:
        self._queue(*self._new(), not_before=self.world.now + self._dice.choice(SOON_S))

    def a_part_of_a_lost_batch(self) -> None:
        """Three jobs that share a batch with nobody else, and others that could."""
        name, key = self._new()
        for number in range(3):
            self._queue(f"{name}-{number}", key, group=f"lost-{name}")
        self._queue(f"{name}-free", key)

    def a_device_runs_out_of_memory(self) -> None:
        self.world.squeeze(self._dice.randrange(3), self._dice.choice(["a", "b", "c"]), self._dice.choice([2.0, 3.0, 4.0]))

    def a_cancel(self) -> None:
        self.world.cancel(self._dice.choice(IDS))

    def one_reports(self) -> None:
        self.world.tell(self._dice.randrange(3), leaving=self._rarely())

    def everyone_reports(self) -> None:
        for number in range(3):
            self.world.tell(number)

    def workers_rebalance(self) -> None:
        if self._rarely():
            self.world.reassign([self._dice.randrange(3) for _ in range(PARTITIONS)])

    def a_batch_finishes(self) -> None:
        self.world.finish(self._dice.randrange(PARTITIONS))

    def time_passes(self) -> None:
        self.world.now += self._dice.choice([0.001, 0.004, 0.1, 1.0, 4.9, 6.0, 300.0])

    def something_arrives_or_not(self) -> None:
        if self.world.flying:
            index = self._dice.randrange(len(self.world.flying))
            (self.world.refuse if self._rarely() else self.world.write)(index)
        elif self.world.telling:
            self.world.tell_expiry(0)

    def the_scheduler_starts_over(self) -> None:
        if self._rarely():
            self.world.redeliver()

    def what_waits_for_long_is_renewed(self) -> None:
        self.world.renew()

    def overflow_takes_jobs_or_gives_them_back(self) -> None:
        if self.world.setting:
            self.world.write_aside(0)
        else:
            self.world.pull()

    def the_stranded_are_moved(self) -> None:
        if self.world.moving:
            self.world.move(0)
        else:
            self.world.strand()
