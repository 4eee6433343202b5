"""What a storm showed, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from loadtest.figures import machine, percentile
from loadtest.storm.evidence import Evidence
from loadtest.storm.faults import Struck
from loadtest.storm.history import History
from loadtest.storm.options import Options
from loadtest.storm.oracle import Verdict
from loadtest.storm.oracle.runs import extra_runs, runs_of
from loadtest.storm.parts import life_name
from loadtest.storm.rebalances import Span, idle, rebalances
from loadtest.storm.victims import Victims

SERVERS = ("brokers", "redis")
"""Actors that are no processes of ours."""


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
    recovery_fair: Spread
    """As `recovery`, of kills after which no store was away."""
    return_fair: Spread
    """As `return`, likewise."""
    runs: int
    extra_runs: int
    extra_allowed: int
    redone_s: float
    """Engine time of the extra runs, each taken to be as long as the run that counted."""
    silent: Spread
    """Of workers that lived through a rebalance: from the last report before it to the first after, less a report's interval."""
    idle: Spread
    """Of the same workers, between those reports: time in which their engine ran nothing that counted."""

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(one.kept for one in self.verdicts)


def report_of(
    options: Options, victims: Victims, evidence: Evidence, verdicts: list[Verdict], *, began: float, calmed: float
) -> Report:
    """Put the figures together."""
    history = evidence.history
    kills = [blow for blow in victims.blows if blow.fault.blow == "kill" and blow.fault.actor not in SERVERS]
    outages = [(blow.at, blow.at + blow.fault.hold_s) for blow in victims.blows if blow.fault.blow == "outage"]
    recoveries = list(_until_next(kills, sorted(one.at for one in history.results)))
    returns = list(_until_back(kills, history))
    lived = list(rebalances(seen.value for seen in evidence.reports))
    return Report(
        options=options,
        machine=machine(),
        began=began,
        sent_s=round(calmed - began, 1),
        records=len(history.jobs),
        ends=dict(sorted(Counter(one.value.state for one in history.results).items())),
        blows=dict(sorted(Counter(_who(blow) for blow in victims.blows).items())),
        unbidden=list(_unbidden(victims)),
        verdicts=verdicts,
        recovery=spread(map(_length, recoveries)),
        return_=spread(map(_length, returns)),
        recovery_fair=spread(map(_length, _apart(recoveries, outages))),
        return_fair=spread(map(_length, _apart(returns, outages))),
        runs=sum(runs_of(history).values()),
        extra_runs=extra_runs(history),
        extra_allowed=history.extra_allowed,
        redone_s=round(_redone(history), 3),
        silent=spread(one.silent_s for one in lived),
        idle=spread(idle(lived, (seen.value for seen in history.results))),
    )


def _unbidden(victims: Victims) -> Iterator[str]:
    lives = (life for process in victims.processes for life in process.lives)
    return (f"{life.name} {life.how}" for life in lives if not life.struck)


def _who(blow: Struck) -> str:
    return f"{blow.fault.actor.partition('-')[0]} {blow.fault.blow}"


def spread(values: Iterable[float]) -> Spread:
    """Nearest-rank percentiles; zeros of nothing."""
    ordered = sorted(values)
    p50, p99, most = (round(percentile(ordered, percent) or 0.0, 3) for percent in (50, 99, 100))
    return Spread(count=len(ordered), p50=p50, p99=p99, most=most)


def _until_next(kills: Sequence[Struck], results: Sequence[float]) -> Iterator[Span]:
    for kill in kills:
        after = next((at for at in results if at > kill.at), None)
        if after is not None:
            yield kill.at, after


def _until_back(kills: Sequence[Struck], history: History) -> Iterator[Span]:
    first: dict[str, float] = {}
    for one in sorted(history.results, key=lambda seen: seen.at):
        if one.value.batch:
            first.setdefault(one.value.batch.worker.rpartition("-")[0], one.at)
    for kill in kills:
        back = first.get(life_name(kill.fault.actor, kill.life + 1))
        if back is not None:
            yield kill.at, back


def _length(span: Span) -> float:
    return span[1] - span[0]


def _apart(spans: Iterable[Span], others: Sequence[Span]) -> Iterator[Span]:
    """Those that overlap none of the others."""
    return (one for one in spans if all(one[1] < begin or end < one[0] for begin, end in others))


def _redone(history: History) -> float:
    gpu_s = {
        (one.value.tenant, one.value.id): one.value.timings.run_s for one in history.results if one.value.timings is not None
    }
    return sum((count - 1) * gpu_s.get(name, 0.0) for (name, _), count in runs_of(history).items())
