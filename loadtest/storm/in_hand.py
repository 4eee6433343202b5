"""What workers had in hand when they were struck: so much may run again, and so many objects may be left, but no more.

A worker takes `slots` batches at once. While the object store is away, those that are finished and only wait for it stay
in its hand as well; its reports say so, by as many slots more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from contracts.work import WorkerReport
from loadtest.storm.faults import Struck
from loadtest.storm.parts import Life, life_name
from loadtest.storm.victims import Victims

CLOCK_S = 1.0
"""A blow is noted a moment before it is dealt."""


class InHand:
    """Of the workers of one storm, by their reports."""

    def __init__(self, victims: Victims, reports: Sequence[WorkerReport]) -> None:
        self._victims = victims
        self._reports = [(one.worker.rpartition("-"), one) for one in reports]

    def extra_allowed(self) -> int:
        """Jobs in hand at all kills and freezes. Who leaves in order has finished its runs, but not what waits for the store."""
        options, lives = self._victims.options, list(self._killed())
        batches = sum(self._batches(life.name, life.ended) for life in lives)
        batches += sum(self._batches(_life(blow), blow.at) for blow in self._blows("freeze"))
        batches += sum(self._batches(_life(blow), blow.at) - options.slots for blow in self._blows("term"))
        return batches * options.batch_cap

    def orphans_allowed(self) -> int:
        """Jobs in hand at all kills."""
        return sum(self._batches(life.name, life.ended) for life in self._killed()) * self._victims.options.batch_cap

    def dead_workers(self) -> frozenset[str]:
        """The last part of the names of those that were killed, which is in the keys of their objects."""
        killed = {life.name for life in self._killed()}
        return frozenset(nonce for (life, _, nonce), _ in self._reports if life in killed)

    def _killed(self) -> Iterator[Life]:
        lives = (life for process in self._victims.processes for life in process.lives)
        return (life for life in lives if life.slot.startswith("gpu-") and life.how != "ended with status 0")

    def _blows(self, kind: str) -> Iterable[Struck]:
        return (one for one in self._victims.blows if one.fault.blow == kind and one.fault.actor.startswith("gpu-"))

    def _batches(self, life: str, at: float) -> int:
        told = (one.slots for (name, _, _), one in self._reports if name == life and one.at <= at + CLOCK_S and one.slots)
        *_, last = [self._victims.options.slots, *told]
        return max(last, self._victims.options.slots)


def _life(blow: Struck) -> str:
    return life_name(blow.fault.actor, blow.life)
