"""Which jobs keep the records behind them uncommitted, though all but they are done with: the oldest of the window.

A queue is committed up to its oldest job that waits. What is behind that is read again by the next scheduler, with all
batches since: so a job that waits for long is given a new record at the end of its queue now and then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from contracts.events import TIERS, Tier

if TYPE_CHECKING:
    from streams.policy.waiting import Waiting
    from streams.policy.window import Window

FAR = 15_000
"""Records of a queue that may have been read past a job that waits: three quarters of what its reader takes at most."""

OLD_S = 300.0
"""How long a job may hold back commits where few come: the batches since its coming are read by the next scheduler."""

AT_ONCE = 1000
"""Jobs of a tier that get new records in one go."""


class Horizon:
    """The jobs of the window by age, and how far their queues were read."""

    def __init__(self) -> None:
        # Names, not jobs: a job that has gone is only noticed once all older ones have, and would take its memory until then.
        self._line: dict[Tier, deque[tuple[int, float, tuple[str, str]]]] = {tier: deque() for tier in TIERS}
        self._read = dict.fromkeys(TIERS, 0)

    def came(self, job: Waiting, now: float) -> None:
        """A job entered the window."""
        self._line[job.tier].append((job.offset, now, job.name))

    def again(self, job: Waiting, now: float) -> None:
        """A job that had left it is back, with its old record."""
        self._line[job.tier].appendleft((job.offset, now, job.name))

    def read_to(self, tier: Tier, offset: int) -> None:
        """The queue was read so far."""
        self._read[tier] = offset

    def behind(self, window: Window, now: float, *, by_age: bool) -> Iterator[Waiting]:
        """Jobs that are to get new records. Each is to leave the window before the next is asked for."""
        for tier in TIERS:
            # Not all of a small window: those who are on their way cannot be run.
            for _ in range(min(AT_ONCE, 1 + window.jobs[tier] // 4)):
                job = self._oldest(tier, window)
                if job is None or not self._holds_back(job, now, by_age=by_age):
                    break
                yield job

    def _oldest(self, tier: Tier, window: Window) -> Waiting | None:
        line = self._line[tier]
        while line:
            offset, _, name = line[0]
            job = window.find(name)
            if job is not None and job.offset == offset and job.tier == tier:
                return job
            line.popleft()
        return None

    def _holds_back(self, job: Waiting, now: float, *, by_age: bool) -> bool:
        return self._read[job.tier] - job.offset > FAR or (by_age and now - self._line[job.tier][0][1] > OLD_S)
