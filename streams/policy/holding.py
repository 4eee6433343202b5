"""The jobs that a scheduler holds: their records, from the arrival until what they led to is durable. Pure, as all of policy.

Records come more than once: after a crash, after a rebalance, from those who write again what may not have arrived. Of each
run one record is held, and all are done with together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streams.policy.foresight import Foresight
from streams.policy.horizon import Horizon
from streams.policy.overflow import Overflow
from streams.policy.recall import Recall
from streams.policy.shares import Weight
from streams.policy.waiting import Waiting
from streams.policy.window import Window

REMEMBERED = 20_000
"""Cancels and dispatched jobs that are remembered, to drop records of them that come later."""


class Holding:
    """Of one pool: in the window, on their way elsewhere, or remembered."""

    def __init__(self, weight: Weight, overflow: Overflow, foresight: Foresight) -> None:
        self.overflow = overflow
        self.horizon = Horizon()
        self.window = Window(weight)
        self.foresight = foresight
        self._weight = weight
        self._flights: dict[tuple[str, str, int], list[Waiting]] = {}
        """Jobs that left the window and are not safely elsewhere yet: their records, to be done with together."""
        self._cancelled: Recall[tuple[str, str], bool] = Recall(REMEMBERED)
        self._attempts: Recall[tuple[str, str], int] = Recall(REMEMBERED)
        self._aside: list[tuple[Waiting, int]] = []

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        """A record came. Returns the records that are done with because of it. See `set_aside` for those without room.

        Of two records of one job the newer one is held: it is the one whose acknowledgement counts if the same record was
        delivered again.
        """
        flight = self._flights.get(_run(job))
        if flight is not None:
            flight.append(job)
            return ()
        if job.name in self._cancelled or job.head.attempt <= self._attempts.get(job.name, 0):
            return (job,)
        held = self.window.find(job.name)
        if held is None:
            if self.overflow.admits(job, self.window):
                self.window.add(job, now)
                self.horizon.came(job, now)
            else:
                self._flights[_run(job)] = [job]
                self.foresight.aside(job)
                self._aside.append((job, self.overflow.put((job.tier, job.name[0]))))
            return ()
        if held.head.attempt > job.head.attempt:
            return (job,)
        self.window.remove(held)
        self.window.add(job, now)
        self.horizon.came(job, now)
        return (held,)

    def set_aside(self) -> list[tuple[Waiting, int]]:
        """Jobs that came since this was asked last and that there is no room for: to be written to overflow, then `moved`.

        With each the partition to write it to.
        """
        aside, self._aside = self._aside, []
        return aside

    def cancel(self, tenant: str, id: str) -> Waiting | None:
        """A job was cancelled: the record that is done with because of it. Its result is told elsewhere."""
        self._cancelled[tenant, id] = True
        held = self.window.find((tenant, id))
        if held is not None:
            self.window.remove(held)
        return held

    def expire(self, now: float) -> list[Waiting]:
        """Jobs whose deadline passed while they waited. They are out of the window; `landed` when that is told."""
        expired = []
        for job in self.window.expired(now):
            self.take_off(job)
            expired.append(job)
        return expired

    def take_off(self, job: Waiting) -> None:
        """A job leaves the window; `landed` or `moved` when it is elsewhere, `land_again` if it comes to nothing."""
        self.window.remove(job)
        self._flights[_run(job)] = [job]

    def landed(self, jobs: Iterable[Waiting]) -> list[Waiting]:
        """What became of these jobs is durable. Returns the records that are done with: theirs, and later ones of them."""
        done: list[Waiting] = []
        for job in jobs:
            self._attempts[job.name] = max(job.head.attempt, self._attempts.get(job.name, 0))
            done += self._flights.pop(_run(job))
        return done

    def moved(self, jobs: Iterable[Waiting], now: float) -> list[Waiting]:
        """Other records now stand for these, on their queues or in overflow. Returns the records that are done with."""
        done: list[Waiting] = []
        for job in jobs:
            for record in self._flights.pop(_run(job)):
                # The one that stands for it may have come back already.
                done += (record,) if (record.tier, record.offset) == (job.tier, job.offset) else self.arrive(record, now)
        return done

    def land_again(self, job: Waiting, paid: float, now: float) -> list[Waiting]:
        """A job that left waits again, in its place, and its tenant gets back what it paid.

        Returns the records that are done with.
        """
        records = self._flights.pop(_run(job))
        if records:
            self.window.refund(job, paid)
        if not records or records[-1].name in self._cancelled:
            return records
        held = self.window.find(records[-1].name)
        if held is not None and held.head.attempt > records[-1].head.attempt:
            return records
        if held is not None:
            self.window.remove(held)
        self.window.add(records[-1], now)
        self.horizon.again(records[-1], now)
        return [*records[:-1], *([held] if held else [])]

    def remember(self, tenant: str, id: str, attempt: int) -> None:
        """This run was dispatched before this scheduler's time: later records of it are none to act on."""
        self._attempts[tenant, id] = max(attempt, self._attempts.get((tenant, id), 0))

    def forget_jobs(self) -> None:
        """The records belong to someone else now, or will be delivered again: none of them is anyone's business here."""
        self.window = Window(self._weight)
        self.overflow.start_over()
        self.horizon = Horizon()
        self._aside.clear()
        for flight in self._flights.values():
            flight.clear()


def _run(job: Waiting) -> tuple[str, str, int]:
    return *job.name, job.head.attempt
