"""From what happened to what it cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

from loadtest.rebalance.history import Event, History, Kind, Owned, Ran


class Cost(Struct, frozen=True, kw_only=True):
    """What one event cost. Seconds."""

    kind: Kind
    worker: str
    at_s: float
    """After the first event."""
    over_s: float | None
    """Until a newcomer was ready; until a leaver had ended."""
    idle_s: dict[str, float]
    """Of each other worker: time between its batches beyond the usual, until the next event."""
    again: list[str]
    """Batches run again although their worker lived, or left in order. Must be empty."""
    redone: list[str]
    """Batches of the worker that was killed, run again by others."""
    first_batch_s: float | None
    """Until a newcomer began its first batch, counted from its being ready."""
    elsewhere_s: list[float]
    """From the kill until each of its batches ran elsewhere."""


class Costs(Struct, frozen=True, kw_only=True):
    """All of them."""

    calm_gaps: int
    """Gaps between two batches of a worker in the time before the first event."""
    calm_gap_s: float
    """Their median: what is usual."""
    calm_most_s: float
    """What no event can be blamed for at most."""
    events: list[Cost]

    @property
    def kept(self) -> bool:
        """Whether no batch whose worker lived was run again."""
        return not any(one.again for one in self.events)


Gap = tuple[str, float, float]
"""Worker, when its batch ended, when it began the next."""
Start = tuple[str, float]
"""Batch, and when an engine began with it."""


def costs(history: History) -> Costs:
    """Put a figure to each event."""
    gaps = list(_gaps(history.ran))
    first = history.events[0].at
    calm = [began - ended for _, ended, began in gaps if history.calm_from <= ended < first]
    usual = median(calm) if calm else 0.0
    ends = [one.at for one in history.events[1:]] + [history.ended]
    paid = _paid(history)
    return Costs(
        calm_gaps=len(calm),
        calm_gap_s=round(usual, 3) + 0.0,  # no minus before a zero
        calm_most_s=round(max(calm, default=0.0), 3),
        events=[_cost(history, event, end, gaps, usual, paid) for event, end in zip(history.events, ends, strict=True)],
    )


def _gaps(ran: Sequence[Ran]) -> Iterator[Gap]:
    for worker in sorted({one.worker for one in ran}):
        for before, after in pairwise(sorted((one for one in ran if one.worker == worker), key=lambda one: one.began)):
            yield worker, before.ended, after.began


def _cost(history: History, event: Event, end: float, gaps: Sequence[Gap], usual: float, paid: Mapping[Start, Event]) -> Cost:
    idle: dict[str, float] = {}
    for worker, ended, began in gaps:
        if worker != event.worker and event.at <= ended < end:
            idle[worker] = idle.get(worker, 0.0) + max(0.0, began - ended - usual)
    repeats = [one for one in _repeats(history) if one not in paid and event.at <= one[1] < end]
    redone = sorted(one for one, kill in paid.items() if kill is event)
    return Cost(
        kind=event.kind,
        worker=event.worker,
        at_s=round(event.at - history.events[0].at, 1),
        over_s=None if event.over is None else round(event.over - event.at, 2),
        idle_s={worker: round(seconds, 3) for worker, seconds in sorted(idle.items())},
        again=[batch for batch, _ in repeats],
        redone=[batch for batch, _ in redone],
        first_batch_s=_first_batch(history, event),
        elsewhere_s=[round(at - event.at, 2) for _, at in redone],
    )


def _repeats(history: History) -> list[Start]:
    return sorted((batch, at) for batch, times in history.starts.items() for at in sorted(times)[1:])


def _paid(history: History) -> dict[Start, Event]:
    """Which repeats a kill accounts for: one of each batch that the killed worker had in hand."""
    paid: dict[Start, Event] = {}
    for kill in (event for event in history.events if event.kind == "kill"):
        for batch in sorted(_in_hand(history, kill)):
            after = [one for one in _repeats(history) if one[0] == batch and one[1] >= kill.at and one not in paid]
            paid |= dict.fromkeys(after[:1], kill)
    return paid


def _in_hand(history: History, kill: Event) -> set[str]:
    """Batches in the partitions of the killed worker that it had not finished, by the last it said."""
    last: Owned | None = None
    for one in history.owned:
        if one.worker == kill.worker and one.at <= kill.at:
            last = one
    positions = last.positions if last else {}
    return {one.batch for one in history.placed if one.at <= kill.at and one.offset >= positions.get(one.partition, 2**63)}


def _first_batch(history: History, event: Event) -> float | None:
    began = [one.began for one in history.ran if one.worker == event.worker]
    if event.kind != "join" or event.over is None or not began:
        return None
    return round(min(began) - event.over, 2)
