"""What the window has no room for: how much of it one tenant may fill, whose jobs went to overflow, and who may come back.

A tenant may hold as much of a tier's window as is free there now (the dynamic threshold of shared-memory switches, Choudhury and
Hahne, 1998, with α = 1): alone it gets half, of n that want more than there is each gets an equal part, and one more part
stays free for whoever comes next. What is here is known from what this process did and saw. A crash forgets it, and nothing
depends on it but order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil, inf
from typing import TYPE_CHECKING

from contracts.events import TIERS, Tier

if TYPE_CHECKING:
    from streams.policy.waiting import Waiting
    from streams.policy.window import Window

LOW = 0.5
"""Of its part: so much a tenant may still hold when more of its jobs are fetched. One fetch then brings many."""

Owner = tuple[Tier, str]
"""A tier and a tenant."""


class Overflow:
    """One pool's. Its partitions are no tenant's by name: who comes to overflow gets one that is empty, if there is one."""

    def __init__(self, room: float = inf, partitions: int = 1) -> None:
        """`room`: places of a tier's window."""
        self._room = room
        self._partitions = partitions
        self.start_over()

    def start_over(self) -> None:
        """Know nothing."""
        self.records = [0] * self._partitions
        """By partition: records there, about."""
        self._pending = [0] * self._partitions
        """By partition: records on their way there."""
        self._left: Counter[Owner] = Counter()
        self._home: dict[Owner, int] = {}
        self._coming: Counter[Owner] = Counter()
        self._reserved = dict.fromkeys(TIERS, 0)
        self._since: dict[tuple[str, str], float] = {}

    @property
    def there(self) -> Mapping[Owner, int]:
        """How many of each owner's are there, about."""
        return self._left

    def jobs(self) -> int:
        """How many are there, about."""
        return sum(self.records)

    def admits(self, job: Waiting, window: Window) -> bool:
        """Whether a job that comes may enter the window: its tenant has a place, and none of its older jobs in overflow.

        A job that ran before may in any case: no more of these can be than run at once, and waiting anew is not what
        a retry is for.
        """
        tier, tenant = job.tier, job.name[0]
        free = self._room - window.load[tier] - self._reserved[tier]
        if window.held[tier].get(tenant, 0) < free and not (self._left and self._left[tier, tenant]):
            return True
        return job.invited or job.head.attempt > 1

    # -- there

    def put(self, owner: Owner) -> int:
        """A job goes to overflow: the partition for it."""
        home = self._home.get(owner)
        if home is None:
            home = self._home[owner] = self._emptiest()
        self._left[owner] += 1
        self._pending[home] += 1
        return home

    def written(self, partition: int, records: int) -> None:
        """They are there."""
        self._pending[partition] = max(0, self._pending[partition] - records)
        self.records[partition] += records

    def _emptiest(self) -> int:
        """Where the fewest stand in front, those on their way among them; of equal ones, where nobody else is at home."""
        lodgers = Counter(self._home.values())
        return min(range(len(self.records)), key=lambda one: (self.records[one] + self._pending[one], lodgers[one], one))

    # -- and back

    def count_again(self) -> None:
        """What is there is about to be looked up: only what is written from now on is known."""
        self.records = [0] * self._partitions

    def found(self, partition: int, records: int) -> None:
        """So many records are in a partition, or a few less: some may be known already, others are marks of transactions."""
        self.records[partition] += records

    def met(self, owner: Owner, partition: int) -> None:
        """A job of this owner is at the front of a partition."""
        if owner not in self._home:
            self._home[owner] = partition
            self._left[owner] += self.records[partition]

    def invites(self, owner: Owner, window: Window, promised: int = 0) -> int:
        """How many of its jobs may come back now: none until it holds little, then as many as fill its part.

        `promised`: places of its tier that are about to be given to others.
        """
        tier, tenant = owner
        free = self._room - window.load[tier] - self._reserved[tier] - promised
        has = window.held[tier].get(tenant, 0) + self._coming[owner]
        part = (free + has) / 2
        return ceil(part - has) if free > 0 and has <= part * LOW else 0

    def invite(self, owner: Owner) -> None:
        """One of its jobs is on its way back to its queue."""
        self._coming[owner] += 1
        self._reserved[owner[0]] += 1

    def left(self, owner: Owner, partition: int) -> None:
        """One of its jobs has left this partition."""
        self.records[partition] = max(0, self.records[partition] - 1)
        self._left[owner] -= 1
        if self._left[owner] <= 0:
            self._forget(owner)

    def stands_before(self, owner: Owner, partition: int, window: Window) -> bool:
        """Whether this owner is at the front of a partition and may not come back, but somebody behind may."""
        others = [one for one, home in self._home.items() if home == partition and one != owner]
        return any(self.invites(one, window) for one in others)

    def elsewhere(self, owner: Owner, partition: int) -> int:
        """Where to move those at the front to: an empty partition, or to the end of their own."""
        there = self._emptiest()
        home = partition if self.records[there] or there in self._home.values() else there
        self._home[owner] = home
        return home

    def moved_on(self, partition: int, there: int) -> None:
        """One is there now."""
        self.records[partition] = max(0, self.records[partition] - 1)
        self.records[there] += 1

    def empty(self, partition: int) -> None:
        """Nothing is left in a partition, whatever was thought."""
        self.records[partition] = 0
        if not self._pending[partition]:
            for owner in [one for one, home in self._home.items() if home == partition]:
                self._forget(owner)

    def _forget(self, owner: Owner) -> None:
        self._home.pop(owner, None)
        self._left.pop(owner, None)

    def keep_place(self, job: Waiting) -> None:
        """This job leaves the window to be back at once, with a newer record."""
        self.invite((job.tier, job.name[0]))
        self._since[job.name] = job.arrived

    def came(self, tier: Tier, name: tuple[str, str], now: float) -> float:
        """A job that was invited is back: since when it is to be taken to wait."""
        self.expected_no_more((tier, name[0]))
        return self._since.pop(name, now)

    def expected_no_more(self, owner: Owner) -> None:
        """One that was invited is here, or was not written."""
        coming = self._coming.pop(owner, 0)
        if coming:
            self._reserved[owner[0]] -= 1
        if coming > 1:
            self._coming[owner] = coming - 1
