"""The memory of a simulated worker's device: what does not fit is run in halves, each try at the price of a step."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from msgspec import Struct

from contracts.work import Resolved
from loadtest.simulate.truth import Model, rows_of


class Device(Struct, frozen=True, kw_only=True):
    """What a worker runs on."""

    name: str = "simulated"
    """Its class."""
    whole: int | None = None
    """Memory (bytes); None: without end."""
    knows: bool = True
    """Whether it says so."""

    @property
    def tells(self) -> bool:
        """Whether its worker says how much it is, and what runs take."""
        return self.knows and self.whole is not None


ENDLESS = Device()


class Parts(Struct, kw_only=True):
    """What came of a batch."""

    ends: list[float]
    """When each job ends, from the start of the batch (seconds)."""
    failed: set[int]
    """Places of those that did not fit alone."""
    squeezed: list[int]
    """Places of the last that did not fit together."""
    ooms: int = 0
    """Times that memory ran out."""


def in_parts(model: Model, jobs: Sequence[Resolved], whole: int | None) -> Parts:
    """Run a batch, in halves where it does not fit, as a worker does."""
    found = Parts(ends=[0.0] * len(jobs), failed=set(), squeezed=[])
    at, waiting = 0.0, [list(range(len(jobs)))]
    while waiting:
        group = waiting.pop()
        some = [jobs[place] for place in group]
        if model.memory(some) <= (inf if whole is None else whole):
            ends = model.run(some)
        else:
            found.ooms, found.squeezed = found.ooms + 1, group
            ends = [model.start_s + model.step_s(sum(map(rows_of, some)), some[0])] * len(some)
            if len(group) == 1:
                found.failed.update(group)
            else:
                middle = (len(group) + 1) // 2
                waiting += [group[middle:], group[:middle]]
        for place, end in zip(group, ends, strict=True):
            found.ends[place] = at + end
        at += max(ends)
    return found
