"""States go forward only, as a reader of `status` sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from contracts.events import TERMINAL, Status
from loadtest.storm.history import History, Name
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, said, verdict

PHASES = {"accepted": 0, "queued": 1, "retrying": 2, "running": 3, "degraded": 3}
FINAL = 9
ASIDE = frozenset({"conflict", "rejected"})
"""Answers to a record, which are no state of the job that has the id."""
LATE = frozenset({"accepted", "queued", "running"})
"""What a process that was killed or frozen may tell late, and a reader must pass over. Settle tells all else, in order."""

Step = tuple[int, int]
"""Attempt and phase: what grows in a job's life."""


def told_of(history: History) -> dict[Name, list[Status]]:
    """Each name's statuses, in order; without what is told again to who sent the job again."""
    told: dict[Name, list[Status]] = defaultdict(list)
    for one in sorted(history.statuses, key=lambda seen: (seen.partition, seen.offset)):
        if not one.value.repeated and one.value.state not in ASIDE:
            told[one.value.tenant, one.value.id].append(one.value)
    return told


def step_of(status: Status) -> Step:
    """How far a job is."""
    if status.state in TERMINAL:
        return (1 << 30, FINAL)
    return status.attempt, PHASES[status.state]


def only_forward(history: History, intake: Intake) -> Verdict:
    """Each new state is further than all before. What was told before may be told again: every stage repeats after a kill.

    A job's own progress is exempt where it is of an earlier attempt: a worker that was frozen tells it when it wakes.
    """
    del intake

    def each() -> Iterator[str | None]:
        for name, statuses in told_of(history).items():
            furthest: Step = (-1, -1)
            known: set[Step] = set()
            for status in _until_the_end(statuses):
                step = step_of(status)
                fine = step in known or step > furthest or (status.state == "running" and status.attempt < furthest[0])
                yield None if fine else f"{said(name)}: {status.state} (attempt {status.attempt}) after {furthest}"
                known.add(step)
                furthest = max(furthest, step)

    return verdict("states only forward", each())


def _until_the_end(statuses: list[Status]) -> Iterator[Status]:
    for status in statuses:
        yield status
        if status.state in TERMINAL:
            return


def nothing_after_the_end(history: History, intake: Intake) -> Verdict:
    """After a terminal state only what a sleeper says late may follow: what was told already, or its own progress.

    A cancel may overtake its job: then the end is told before admission, waiting for the job store, says what it did.
    """
    del intake

    def each() -> Iterator[str | None]:
        for name, statuses in told_of(history).items():
            before = list(_until_the_end(statuses))
            known = {status.state for status in before} | {"running"}
            known |= LATE if before[-1].state == "cancelled" else set()
            for status in statuses[len(before) :]:
                fine = status.state in LATE and status.state in known
                yield None if fine else f"{said(name)}: {status.state} after the end"
            yield None

    return verdict("nothing after the end", each())
