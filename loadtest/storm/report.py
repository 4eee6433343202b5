"""What a storm showed: a page and the same as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest.bench.report import machine
from loadtest.storm.crew import Crew
from loadtest.storm.evidence import Evidence
from loadtest.storm.faults import Struck
from loadtest.storm.history import History
from loadtest.storm.options import Options
from loadtest.storm.oracle import Verdict
from loadtest.storm.oracle.runs import extra_runs, runs_of
from loadtest.storm.parts import life_name

SHOWN = 8
"""Faults of one invariant that the page names."""
REPORT_S = 1.0
"""Workers report so often; a longer silence is time without a known assignment."""


class Spread(Struct, frozen=True, kw_only=True):
    """Seconds of something that happened several times."""

    count: int
    p50: float
    p99: float
    most: float


class Report(Struct, frozen=True, kw_only=True):
    """Everything one storm showed."""

    options: Options
    machine: str
    began: float
    sent_s: float
    """From the start of the processes to the last blow."""
    records: int
    """On `jobs`."""
    ends: dict[str, int]
    """Results by state."""
    blows: dict[str, int]
    """By who and how, e.g. `gpu kill`."""
    unbidden: list[str]
    """Lives that ended though nobody had struck them."""
    verdicts: list[Verdict]
    recovery: Spread
    """From a kill to the next result of anybody."""
    return_: Spread = msgspec.field(name="return")
    """From the kill of a worker to the first result of the process that took its place."""
    runs: int
    extra_runs: int
    extra_allowed: int
    redone_s: float
    """Engine time of the extra runs, each taken to be as long as the run that counted."""
    silent: Spread
    """Of workers that lived through a rebalance: from the last report before it to the first after, less a report's interval."""

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(one.kept for one in self.verdicts)


def report_of(
    options: Options, crew: Crew, evidence: Evidence, verdicts: list[Verdict], *, began: float, calmed: float
) -> Report:
    """Put the figures together."""
    history = evidence.history
    kills = [blow for blow in crew.blows if blow.fault.blow == "kill"]
    return Report(
        options=options,
        machine=machine(),
        began=began,
        sent_s=round(calmed - began, 1),
        records=len(history.jobs),
        ends=dict(sorted(Counter(one.value.state for one in history.results).items())),
        blows=dict(sorted(Counter(_who(blow) for blow in crew.blows).items())),
        unbidden=[f"{life.name} {life.how}" for process in crew.processes for life in process.lives if not life.struck],
        verdicts=verdicts,
        recovery=spread(_until_next(kills, sorted(one.at for one in history.results))),
        return_=spread(_until_back(kills, history)),
        runs=sum(runs_of(history).values()),
        extra_runs=extra_runs(history),
        extra_allowed=history.extra_allowed,
        redone_s=round(_redone(history), 3),
        silent=spread(_silences(evidence)),
    )


def _who(blow: Struck) -> str:
    return f"{blow.fault.actor.partition('-')[0]} {blow.fault.blow}"


def spread(values: Iterable[float]) -> Spread:
    """Nearest-rank percentiles; zeros of nothing."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3) if ordered else 0.0

    return Spread(count=len(ordered), p50=at(0.5), p99=at(0.99), most=at(1.0))


def _until_next(kills: Sequence[Struck], results: Sequence[float]) -> Iterator[float]:
    for kill in kills:
        after = next((at for at in results if at > kill.at), None)
        if after is not None:
            yield after - kill.at


def _until_back(kills: Sequence[Struck], history: History) -> Iterator[float]:
    first: dict[str, float] = {}
    for one in sorted(history.results, key=lambda seen: seen.at):
        if one.value.batch:
            first.setdefault(one.value.batch.worker.rpartition("-")[0], one.at)
    for kill in kills:
        back = first.get(life_name(kill.fault.actor, kill.life + 1))
        if back is not None:
            yield back - kill.at


def _redone(history: History) -> float:
    gpu_s = {
        (one.value.tenant, one.value.id): one.value.timings.run_s for one in history.results if one.value.timings is not None
    }
    return sum((count - 1) * gpu_s.get(name, 0.0) for (name, _), count in runs_of(history).items())


def _silences(evidence: Evidence) -> Iterator[float]:
    last: dict[str, tuple[int, float]] = {}
    for report in (seen.value for seen in evidence.reports):
        generation, at = last.get(report.worker, (report.generation, report.at))
        if report.generation > generation:
            yield max(0.0, report.at - at - REPORT_S)
        last[report.worker] = report.generation, report.at


def write_report(report: Report, folder: Path) -> Path:
    """`storm-<seed>.json` and `.md` in the folder; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"storm-{report.options.seed}" + (f"-{report.options.bug}" if report.options.bug else "")
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    file = folder / f"{name}.md"
    file.write_text(page(report))
    return file


def page(report: Report) -> str:
    """The report in Markdown."""
    options = report.options
    lines = [
        f"# Storm, seed {options.seed}: {'every promise kept' if report.kept else 'PROMISES BROKEN'}",
        "",
        f"{options.jobs} ids, {report.records} records on `jobs`, {options.rate:g} ids a second; {options.streams} streams,",
        f"{options.settles} settle and {options.workers} worker processes, {options.brokers} broker(s). {report.machine}.",
        *([f"Planted bug: {options.bug}."] if options.bug else []),
        "",
        "| invariant | checks | faults |",
        "|---|---|---|",
        *(f"| {one.invariant} | {one.checks} | {len(one.faults) or '–'} |" for one in report.verdicts),
        "",
        *_faults(report.verdicts),
        "| seconds | times | p50 | p99 | most |",
        "|---|---|---|---|---|",
        _row("from a kill to the next result", report.recovery),
        _row("from a worker's kill to its successor's first result", report.return_),
        _row("a worker without a known share, per rebalance", report.silent),
        "",
        f"{report.runs} runs, {report.extra_runs} of them again (at most {report.extra_allowed} were in flight under blows):",
        f"{report.redone_s} s of engine time. Ends: {_counts(report.ends)}.",
        "",
        f"Blows: {_counts(report.blows)}.",
        f"Ended without a blow: {', '.join(report.unbidden) or 'none'}.",
        "",
    ]
    return "\n".join(lines)


def _faults(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for one in verdicts:
        if one.faults:
            yield f"**{one.invariant}**:"
            yield ""
            yield from (f"- {fault}" for fault in one.faults[:SHOWN])
            yield ""


def _row(what: str, value: Spread) -> str:
    return f"| {what} | {value.count} | {value.p50} | {value.p99} | {value.most} |"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
