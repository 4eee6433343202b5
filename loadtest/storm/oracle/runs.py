"""How often jobs ran, by the `running` that is told as a run begins."""

from __future__ import annotations

from collections import Counter

from loadtest.storm.history import History, Name
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, said, verdict

Run = tuple[Name, int]
"""A job and its attempt."""


def runs_of(history: History) -> Counter[Run]:
    """How often each attempt of each job began."""
    begun = (one.value for one in history.statuses if one.value.state == "running" and one.value.step == 0)
    return Counter(((one.tenant, one.id), one.attempt) for one in begun)


def extra_runs(history: History) -> int:
    """Runs beyond the first of each attempt."""
    return sum(count - 1 for count in runs_of(history).values())


def duplicates_run_once(history: History, intake: Intake) -> Verdict:
    """What was sent twice is no second job: it never gets to more attempts than its failures explain."""
    retried = Counter((s.value.tenant, s.value.id) for s in history.statuses if s.value.state == "retrying")
    most: dict[Name, int] = {}
    for name, attempt in runs_of(history):
        most[name] = max(attempt, most.get(name, 0))
    twice = (name for name, job in intake.jobs.items() if job.copies or job.conflicts)
    return verdict(
        "duplicates run once",
        (None if most.get(n, 0) <= 1 + retried[n] else f"{said(n)}: attempt {most[n]} after {retried[n]} retries" for n in twice),
    )


def extra_runs_are_paid_for(history: History, intake: Intake) -> Verdict:
    """Runs beyond the first of an attempt are no more than the blows had in flight."""
    del intake
    runs = runs_of(history)
    extra, allowed = extra_runs(history), history.extra_allowed
    over = [f"{extra} extra runs, {allowed} were in flight under blows"] if extra > allowed else []
    return verdict("extra runs are paid for", [*over, *[None] * len(runs)])
