"""What a run showed: a page and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from loadtest.backlog.load import STEADY
from loadtest.backlog.run import WORKERS, Plan, Story
from loadtest.figures import machine, percentile

ALLOWED = 1.5
"""What one tenant's backlog may do to another's 99th percentile."""

LEAST_JOBS = 20
"""Of a stretch, to speak of its percentiles."""


class Stretch(Struct, frozen=True, kw_only=True):
    """One part of the run."""

    name: str
    jobs: int
    """Of the steady tenants."""
    p50_s: float
    p99_s: float
    worst_p99_s: float
    """Of the tenant that fared worst."""
    ran_per_s: float
    """Jobs of all tenants that were dispatched, a second."""
    batches_per_s: float
    waiting: dict[str, int]
    """Where to how many when it ended."""
    resident: dict[str, int]
    """Process to the most memory that it had resident (MiB)."""


class Report(Struct, frozen=True, kw_only=True):
    """Everything one run showed."""

    command: str
    machine: str
    plan: Plan
    stretches: list[Stretch]
    taken_s: float
    unread: int
    ready_s: float
    twice: int
    """Runs that were dispatched more than once."""

    @property
    def ratio(self) -> float:
        """99th percentile with the backlog over the one without."""
        usual, backlog = (next(one for one in self.stretches if one.name == name) for name in ("usual", "backlog"))
        return backlog.p99_s / usual.p99_s if usual.p99_s else 0.0

    @property
    def kept(self) -> bool:
        """Whether the others felt no more of it than they may, and nothing ran twice."""
        return 0 < self.ratio <= ALLOWED and not self.twice


def report_of(command: str, plan: Plan, story: Story) -> Report:
    """With the machine it ran on."""
    return Report(
        command=command,
        machine=machine(),
        plan=plan,
        stretches=[_stretch(name, story) for name in story.spans if name not in ("warm", "settling")],
        taken_s=story.taken_s,
        unread=story.unread,
        ready_s=story.ready_s,
        twice=sum(times > 1 for times in story.sight.runs.values()),
    )


def _stretch(name: str, story: Story) -> Stretch:
    start, end = story.spans[name]
    took = {tenant: sorted(_took(name, tenant, story)) for tenant in STEADY}
    together = sorted(one for several in took.values() for one in several)
    batches = [size for at, size in story.sight.batches if start <= at < end]
    resident: dict[str, int] = {}
    for at, process, mib in story.sight.resident:
        if start <= at < end:
            resident[process] = max(mib, resident.get(process, 0))
    return Stretch(
        name=name,
        jobs=len(together),
        p50_s=_percentile(together, 50),
        p99_s=_percentile(together, 99),
        worst_p99_s=max(_percentile(several, 99) for several in took.values()),
        ran_per_s=sum(batches) / (end - start),
        batches_per_s=len(batches) / (end - start),
        waiting=story.waiting[name],
        resident=resident,
    )


def _took(name: str, tenant: str, story: Story) -> Iterator[float]:
    return (took for id, whose, _, took in story.sight.latencies if whose == tenant and id.startswith(f"{name}-"))


def _percentile(ordered: list[float], percent: float) -> float:
    return percentile(ordered, percent) or 0.0 if len(ordered) >= LEAST_JOBS else 0.0


def page(report: Report) -> str:
    """The report in Markdown."""
    plan = report.plan
    names = list(dict.fromkeys(name for one in report.stretches for name in one.resident))
    lines = [
        f"# A backlog of {plan.jobs:,} jobs: others' p99 × {report.ratio:.2f}",
        "",
        f"`{report.command}` on {report.machine}.",
        f"{WORKERS} workers, batches of up to {plan.cap} jobs that take {plan.batch_s:g} s. Four tenants send",
        f"{plan.rate:g} jobs/s together all the time; a fifth has {plan.jobs:,} jobs, which come to {_where(plan)} at",
        f"{plan.pour:g} a second.",
        "",
        "| stretch | jobs of the four | p50 (s) | p99 (s) | worst's | all jobs/s | batches/s | queue | overflow | parked |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(one) for one in report.stretches),
        "",
        f"| MiB resident, at most | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(f"| {one.name} | {' | '.join(str(one.resident.get(name, '–')) for name in names)} |" for one in report.stretches),
        "",
        f"- The {plan.jobs:,} jobs were where they wait {report.taken_s:.0f} s after the first of them was sent.",
        f"- kill -9 of the scheduler, a new one started at once: first batch after {report.ready_s:.1f} s. {report.unread:,}",
        "  records of the queue were not committed at the kill, which is what the new one reads again at most.",
        f"- Runs dispatched twice: {report.twice}.",
        "",
    ]
    return "\n".join(lines)


def _row(one: Stretch) -> str:
    numbers = f"{one.p50_s:.3f} | {one.p99_s:.3f} | {one.worst_p99_s:.3f} | {one.ran_per_s:.1f} | {one.batches_per_s:.2f}"
    waits = " | ".join(f"{one.waiting[where]:,}" for where in ("queue", "overflow", "parked"))
    return f"| {one.name} | {one.jobs} | {numbers} | {waits} |"


def _where(plan: Plan) -> str:
    return f"admission, which may let in {plan.limit:g} of them a second, and parks the others," if plan.limit else "its queue"
