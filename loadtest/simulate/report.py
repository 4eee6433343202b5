"""The simulator's report: a page, the same as JSON, and plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

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
    bounds: dict[float, float]
    """By scale of the latency goals: the value that nobody can beat."""
    runs: list[Measures]

    def run(self, policy: str, scale: float = 1.0) -> Measures:
        """One of them."""
        return next(one for one in self.runs if one.policy == policy and one.scale == scale)

    def floor(self, scale: float = 1.0) -> float:
        """The better of one at a time and fixed window."""
        return max(self.run(policy, scale).value for policy in FLOOR)

    def score(self, scale: float = 1.0) -> float | None:
        """How much of what lies between floor and bound the scheduler gets; None: next to nothing lies there."""
        floor, bound = self.floor(scale), self.bounds[scale]
        return (self.run(OURS, scale).value - floor) / (bound - floor) if bound - floor >= ROOM else None

    def rivals(self, scale: float = 1.0) -> list[Measures]:
        """All but ours."""
        return [one for one in self.runs if one.policy != OURS and one.scale == scale]

    def missed(self) -> list[str]:
        """Goals that were not reached, in words."""
        ours, score = self.run(OURS), self.score()
        lines = [] if score is None or score >= GOAL else [f"score {score:.2f}, the goal is {GOAL}"]
        for one in self.rivals():
            if one.value > ours.value + 0.0005:
                lines.append(f"{one.policy} has a higher value: {one.value:.3f} against {ours.value:.3f}")
            if one.attainment > ours.attainment + 0.0005:
                lines.append(f"{one.policy} has more jobs in their goals: {one.attainment:.1%} against {ours.attainment:.1%}")
        ordinary = ours.tiers.get("ordinary")
        if ordinary is not None and not ordinary.done:
            lines.append("no ordinary job was done")
        return lines


class Report(Struct, frozen=True, kw_only=True):
    """All of it."""

    command: str
    machine: str
    contests: list[Contest]
    """Of the first seed."""
    others: list[Contest] = []
    """Of the other seeds, at scale 1."""

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
    yield from ("", *_scores(report.contests), "", "![values](simulate-values.png)", "")
    if report.others:
        yield from ("## Over seeds", "", *_over_seeds(report), "")
    yield from (
        "## Goals missed",
        "",
        *_missed([*report.contests, *report.others]),
        "",
        "## Attainment by scale of the goals",
        "",
    )
    yield from ("![scales](simulate-scales.png)", "")
    for contest in report.contests:
        yield from _details(contest)


def _scores(contests: Sequence[Contest]) -> Iterator[str]:
    names = [one.policy for one in contests[0].runs if one.scale == 1.0]
    yield f"| trace | score | bound | {' | '.join(names)} |"
    yield f"|---|---|---|{'---|' * len(names)}"
    for contest in contests:
        score = contest.score()
        values = " | ".join(f"{contest.run(name).value:.3f}" for name in names)
        yield f"| {contest.trace} | {'–' if score is None else f'{score:.2f}'} | {contest.bounds[1.0]:.3f} | {values} |"


def _over_seeds(report: Report) -> Iterator[str]:
    """Means, with the least and the most."""
    names = [one.policy for one in report.contests[0].runs if one.scale == 1.0]
    seeds = ", ".join(str(one.seed) for one in report.seeds(report.contests[0].trace))
    yield f"Mean (least to most) of seeds {seeds}."
    yield from ("", f"| trace | score | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}")
    for contest in report.contests:
        several = report.seeds(contest.trace)
        scores = [score for one in several if (score := one.score()) is not None]
        values = " | ".join(_spread([one.run(name).value for one in several], 3) for name in names)
        yield f"| {contest.trace} | {_spread(scores, 2)} | {values} |"


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    mean, least, most = (f"{one:.{digits}f}" for one in (fmean(values), min(values), max(values)))
    return mean if least == most else f"{mean} ({least} to {most})"


def _missed(contests: Sequence[Contest]) -> Iterator[str]:
    lines = [f"- {contest.trace}, seed {contest.seed}: {line}" for contest in contests for line in contest.missed()]
    yield from lines or ["None."]


def _details(contest: Contest) -> Iterator[str]:
    scales = sorted(contest.bounds)
    yield from (f"## {contest.trace}: {contest.about}", "", f"{contest.jobs} jobs, {contest.workers} workers.", "")
    goals = " | ".join(f"in goal × {scale:g}" for scale in scales)
    yield f"| policy | {goals} | jobs/s | busy | loading | padding | batch | unfair |"
    yield f"|---|{'---|' * (len(scales) + 6)}"
    for one in contest.runs:
        if one.scale == 1.0:
            shares = " | ".join(f"{contest.run(one.policy, scale).attainment:.1%}" for scale in scales)
            rest = f"{one.jobs_per_s:.1f} | {one.busy:.0%} | {one.loading:.0%} | {one.padding:.0%} | {one.batch:.1f}"
            yield f"| {one.policy} | {shares} | {rest} | {one.unfairness:.2f} |"
    bounds = " | ".join(f"{contest.bounds[scale]:.1%}" for scale in scales)
    yield from (f"| bound (by value) | {bounds} | | | | | | |", "")
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
