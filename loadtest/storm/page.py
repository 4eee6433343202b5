"""The report as a page, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtest.storm.oracle import Verdict
from loadtest.storm.report import Report, Spread

SHOWN = 8
"""Faults of one invariant that the page names."""


def name_of(report: Report) -> str:
    """Of its files."""
    return f"storm-{report.options.seed}" + (f"-{report.options.bug}" if report.options.bug else "")


def page(report: Report) -> str:
    """The report in Markdown."""
    options = report.options
    lines = [
        f"# Storm, seed {options.seed}: {'every promise kept' if report.kept else 'PROMISES BROKEN'}",
        "",
        f"{options.jobs} ids, {report.records} records on `jobs`, {options.rate:g} ids a second; {options.streams} streams,",
        f"{options.settles} settle and {options.workers} worker processes, {options.brokers} broker(s), stores {options.stores}.",
        f"{report.machine}.",
        *([f"Planted bug: {options.bug}."] if options.bug else []),
        "",
        "| invariant | checks | faults |",
        "|---|---|---|",
        *(f"| {one.invariant} | {one.checks} | {len(one.faults) or '–'} |" for one in report.verdicts),
        "",
        *_faults(report.verdicts),
        *_times(report),
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


def _times(report: Report) -> Iterator[str]:
    yield "| seconds | times | p50 | p99 | most |"
    yield "|---|---|---|---|---|"
    real = report.options.stores == "real"
    yield _row("from a kill to the next result", report.recovery)
    yield from [_row("the same, no store being away", report.recovery_fair)] if real else []
    yield _row("from a worker's kill to its successor's first result", report.return_)
    yield from [_row("the same, no store being away", report.return_fair)] if real else []
    yield _row("a worker without a known share, per rebalance", report.silent)
    yield _row("its engine idle meanwhile, for lack of work too", report.idle)


def _row(what: str, value: Spread) -> str:
    return f"| {what} | {value.count} | {value.p50} | {value.p99} | {value.most} |"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
