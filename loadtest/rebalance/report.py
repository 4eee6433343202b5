"""What a run showed: a page and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from msgspec import Struct

from loadtest.figures import machine
from loadtest.rebalance.history import Kind
from loadtest.rebalance.measure import Cost, Costs

TITLES: dict[Kind, str] = {"join": "one joins", "leave": "one leaves (SIGTERM)", "kill": "one is killed (kill -9)"}


class Report(Struct, frozen=True, kw_only=True):
    """Everything one run showed."""

    command: str
    machine: str
    workers: int
    batch_s: float
    """Time of a batch in the engine, give or take a fifth."""
    session_s: float
    """How long a silent worker keeps its partitions."""
    costs: Costs


def report_of(command: str, *, workers: int, batch_s: float, session_s: float, costs: Costs) -> Report:
    """With the machine it ran on."""
    return Report(command=command, machine=machine(), workers=workers, batch_s=batch_s, session_s=session_s, costs=costs)


def page(report: Report) -> str:
    """The report in Markdown."""
    costs = report.costs
    lines = [
        f"# Rebalance: {'no batch ran twice whose worker lived' if costs.kept else 'BATCHES RAN TWICE'}",
        "",
        f"`{report.command}` on {report.machine}.",
        f"{report.workers} workers, batches of about {report.batch_s:g} s, more work than they can do, a session of",
        f"{report.session_s:g} s. Before the first event a worker had {costs.calm_gap_s} s between two batches (median of",
        f"{costs.calm_gaps}, at most {costs.calm_most_s}); idle is what came on top of that, until the next event.",
        "",
        "| event | times | run again | idle, all others together: median, most (s) | and then (s) |",
        "|---|---|---|---|---|",
        *(_row(kind, [one for one in costs.events if one.kind == kind]) for kind in TITLES),
        "",
        "| event | worker | at (s) | over after (s) | idle of each other (s) | run again | redone of its own | and then (s) |",
        "|---|---|---|---|---|---|---|---|",
        *map(_line, costs.events),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _row(kind: Kind, events: Sequence[Cost]) -> str:
    again = sum(len(one.again) for one in events)
    idle = [sum(one.idle_s.values()) for one in events] or [0.0]
    then = [seconds for one in events for seconds in _then(one)]
    words = {"join": "first batch once ready: ", "leave": "gone: ", "kill": "its batches ran elsewhere: "}[kind]
    after = f"{words}{median(then):.2f} median, {max(then):.2f} most" if then else "–"
    return f"| {TITLES[kind]} | {len(events)} | {again} | {median(idle):.2f}, {max(idle):.2f} | {after} |"


def _then(one: Cost) -> Iterator[float]:
    if one.kind == "leave" and one.over_s is not None:
        yield one.over_s
    if one.first_batch_s is not None:
        yield one.first_batch_s
    yield from one.elsewhere_s


def _line(one: Cost) -> str:
    idle = ", ".join(f"{worker} {seconds:.2f}" for worker, seconds in one.idle_s.items()) or "–"
    over = "–" if one.over_s is None else f"{one.over_s:.2f}"
    then = ", ".join(f"{seconds:.2f}" for seconds in _then(one)) or "–"
    return f"| {one.kind} | {one.worker} | {one.at_s} | {over} | {idle} | {len(one.again)} | {len(one.redone)} | {then} |"
