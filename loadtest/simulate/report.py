"""The simulator's report: a page, the same as JSON, and plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct

from loadtest import figures
from loadtest.simulate.measures import WEIGHTS, Latency, Measures
from loadtest.simulate.plots import draw_scales, draw_values
from loadtest.simulate.policies import FLOOR, OURS

GOAL = 0.85
"""Score that the scheduler is to reach on every trace."""

ROOM = 0.02
"""A floor so close to the bound leaves nothing to score: noise would decide."""


class Contest(Struct, frozen=True, kw_only=True):
    """All policies on one trace."""

    trace: str
    seed: int
    about: str
    jobs: int
    workers: int
    bound: float
    """The value that nobody can beat, at scale 1."""
    hindsight: float
    """That of a schedule made by who knows the future, at scale 1."""
    replanned: float
    """That of who knows what everything takes, but not what comes."""
    runs: list[Measures]

    def run(self, policy: str, scale: float = 1.0) -> Measures:
        """One of them."""
        return next(one for one in self.runs if one.policy == policy and one.scale == scale)

    def scales(self) -> list[float]:
        """At which it was played."""
        return sorted({one.scale for one in self.runs})

    def optimum(self) -> tuple[float, float]:
        """At scale 1 it lies between these: the best that anybody was seen to have, and the bound."""
        return max(self.hindsight, self.replanned, *(one.value for one in self.runs if one.scale == 1.0)), self.bound

    def score(self) -> float | None:
        """How much of what lies between floor and bound the scheduler gets; None: next to nothing lies there."""
        return self._score(self.bound)

    def score_of_known(self) -> float | None:
        """The same with the lower end of the optimum for a bound."""
        return self._score(self.optimum()[0])

    def _score(self, most: float) -> float | None:
        floor = max(self.run(policy).value for policy in FLOOR)
        return (self.run(OURS).value - floor) / (most - floor) if self.bound - floor >= ROOM else None

    def missed(self) -> list[str]:
        """Goals that were not reached, in words."""
        score = self.score()
        lines = [] if score is None or score >= GOAL else [f"score {score:.2f}, the goal is {GOAL}"]
        return lines + [line for scale in self.scales() for line in self._missed_at(scale)]

    def _missed_at(self, scale: float) -> Iterator[str]:
        ours, goals = self.run(OURS, scale), "" if scale == 1.0 else f"goals × {scale:g}: "
        for one in self.runs:
            if one.scale == scale and one.value > ours.value + 0.0005:
                yield f"{goals}{one.policy} has a higher value: {one.value:.3f} against {ours.value:.3f}"
            if one.scale == scale and one.attainment > ours.attainment + 0.0005:
                yield f"{goals}{one.policy} has more jobs in their goals: {one.attainment:.1%} against {ours.attainment:.1%}"
        ordinary = ours.tiers.get("ordinary")
        if ordinary is not None and not ordinary.done:
            yield f"{goals}no ordinary job was done"


class Report(Struct, frozen=True, kw_only=True):
    """All of it."""

    command: str
    machine: str
    contests: list[Contest]
    """Of the first seed."""
    others: list[Contest] = []
    """Of the other seeds."""

    def seeds(self, trace: str) -> list[Contest]:
        """One trace with all its seeds."""
        return [one for one in (*self.contests, *self.others) if one.trace == trace]


def write_report(report: Report, folder: Path) -> None:
    """`simulate.json`, `simulate.md` and the plots in `folder`."""
    figures.write_report(report, "\n".join(page(report)) + "\n", folder, "simulate")
    draw_values(report.contests, folder / "simulate-values.png")
    draw_scales(report.contests, folder / "simulate-scales.png")


def page(report: Report) -> Iterator[str]:
    """The report in Markdown."""
    weights = ", ".join(f"{tier} {weight:g}" for tier, weight in WEIGHTS.items())
    yield from (
        "# The scheduler in simulated time",
        "",
        f"`{report.command}`, on {report.machine}. Seed {report.contests[0].seed} where none is named.",
        "",
    )
    yield f"Value: jobs with a result within their latency goal, weighed by tier ({weights}), as a share of all. Score:"
    yield "(value − floor) ÷ (bound − floor); the floor is the better of `fifo` and `window`, the bound knows all arrivals."
    yield f"No score: the floor is within {ROOM} of the bound, and luck would decide. Optimum: from the best schedule that"
    yield "is known, mostly one found with hindsight, to the bound."
    yield "Replanned: by who knows what everything takes, but not what comes."
    yield from ("", *_scores(report.contests), "", "![values](simulate-values.png)", "")
    if report.others:
        yield from ("## Over seeds", "", *_over_seeds(report), "")
    yield from (
        "## Goals missed",
        "",
        *_missed([*report.contests, *report.others]),
        "",
        "## Jobs in their goals, by scale of these",
        "",
        *_by_scale(report),
        "",
        "![scales](simulate-scales.png)",
        "",
    )
    for contest in report.contests:
        yield from _details(contest)


def _scores(contests: Sequence[Contest]) -> Iterator[str]:
    names = [one.policy for one in contests[0].runs if one.scale == 1.0]
    yield f"| trace | score | optimum | replanned | {' | '.join(names)} |"
    yield f"|---|---|---|---|{'---|' * len(names)}"
    for contest in contests:
        score = contest.score()
        told = ("–" if score is None else f"{score:.2f}", _optimum([contest]), f"{contest.replanned:.3f}")
        values = (f"{contest.run(name).value:.3f}" for name in names)
        yield f"| {' | '.join((contest.trace, *told, *values))} |"


def _over_seeds(report: Report) -> Iterator[str]:
    """Medians, with the least and the most."""
    names = [one.policy for one in report.contests[0].runs if one.scale == 1.0]
    seeds = ", ".join(str(one.seed) for one in report.seeds(report.contests[0].trace))
    yield f"Median (least to most) of seeds {seeds}. Score of known: against the lower end of the optimum."
    yield from (
        "",
        f"| trace | score | score of known | optimum | {' | '.join(names)} |",
        f"|---|---|---|---|{'---|' * len(names)}",
    )
    for contest in report.contests:
        several = report.seeds(contest.trace)
        scores = [score for one in several if (score := one.score()) is not None]
        known = [score for one in several if (score := one.score_of_known()) is not None]
        values = " | ".join(_spread([one.run(name).value for one in several], 3) for name in names)
        replanned = _spread([one.replanned for one in several], 3)
        yield f"| {contest.trace} | {_spread(scores, 2)} | {_spread(known, 2)} | {_optimum(several)} | {replanned} | {values} |"


def _optimum(contests: Sequence[Contest]) -> str:
    """From the least of what is known to be had to the largest bound."""
    ends = [f"{end(one.optimum()[place] for one in contests):.3f}" for place, end in enumerate((min, max))]
    return " to ".join(dict.fromkeys(ends))


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    middle, least, most = (f"{one:.{digits}f}" for one in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def _by_scale(report: Report) -> Iterator[str]:
    """Medians of the seeds that were played at a scale."""
    names = [one.policy for one in report.contests[0].runs if one.scale == 1.0]
    yield f"Median of the seeds.\n\n| trace | goals × | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}"
    for contest in report.contests:
        for scale in contest.scales():
            several = [one for one in report.seeds(contest.trace) if scale in one.scales()]
            shares = (median(one.run(name, scale).attainment for one in several) for name in names)
            yield f"| {contest.trace} | {scale:g} | {' | '.join(f'{share:.1%}' for share in shares)} |"


def _missed(contests: Sequence[Contest]) -> Iterator[str]:
    lines = [f"- {contest.trace}, seed {contest.seed}: {line}" for contest in contests for line in contest.missed()]
    yield from lines or ["None."]


def _details(contest: Contest) -> Iterator[str]:
    scales = contest.scales()
    yield from (f"## {contest.trace}: {contest.about}", "", f"{contest.jobs} jobs, {contest.workers} workers.", "")
    goals = " | ".join(f"in goal × {scale:g}" for scale in scales)
    yield f"| policy | {goals} | jobs/s | busy | loading | padding | batch | unfair |"
    yield f"|---|{'---|' * (len(scales) + 6)}"
    for one in contest.runs:
        if one.scale == 1.0:
            shares = " | ".join(f"{contest.run(one.policy, scale).attainment:.1%}" for scale in scales)
            rest = f"{one.jobs_per_s:.1f} | {one.busy:.0%} | {one.loading:.0%} | {one.padding:.0%} | {one.batch:.1f}"
            yield f"| {one.policy} | {shares} | {rest} | {one.unfairness:.2f} |"
    yield ""
    yield from ("Seconds to the result, p50 / p99 of those that had one (and their share of all within the goal):", "")
    yield from _latencies(contest)


def _latencies(contest: Contest) -> Iterator[str]:
    runs = [one for one in contest.runs if one.scale == 1.0]
    groups = [*runs[0].tiers, *runs[0].tenants]
    yield f"| policy | {' | '.join(groups)} |"
    yield f"|---|{'---|' * len(groups)}"
    for one in runs:
        known: dict[str, Latency] = {**dict(one.tiers.items()), **one.tenants}
        yield f"| {one.policy} | {' | '.join(_latency(known[name]) for name in groups)} |"
    yield ""


def _latency(one: Latency) -> str:
    if one.p50_s is None or one.p99_s is None:
        return "none"
    return f"{one.p50_s:.1f} / {one.p99_s:.1f} ({one.in_goal:.0%})"
