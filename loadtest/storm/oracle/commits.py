"""An offset is committed only after what the record led to is there to be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from loadtest.crew.watch import Place
from loadtest.storm.history import History, Name
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, said, verdict


def committed_is_durable(history: History, intake: Intake) -> Verdict:
    """At every look: each job before the committed offset had been answered on `status`.

    Only the first look past a job says something of it.
    """
    first = _first_answers(history)

    def each() -> Iterator[str | None]:
        waiting = {name: job.claim for name, job in intake.jobs.items()}
        for look in history.snapshots:
            passed = [n for n, claim in waiting.items() if claim.offset < look.committed.get(("jobs", claim.partition), 0)]
            for name in passed:
                del waiting[name]
                yield _answered(name, first.get(name), look.ends)

    return verdict("committed is durable", each())


def _first_answers(history: History) -> dict[Name, tuple[int, int]]:
    """Partition and offset of the first status of each job."""
    found: dict[Name, list[tuple[int, int]]] = defaultdict(list)
    for one in history.statuses:
        found[one.value.tenant, one.value.id].append((one.partition, one.offset))
    return {name: min(places) for name, places in found.items()}


def _answered(name: Name, first: tuple[int, int] | None, ends: Mapping[Place, int]) -> str | None:
    if first is None:
        return f"{said(name)}: committed, never answered"
    partition, offset = first
    return None if offset < ends.get(("status", partition), 0) else f"{said(name)}: committed before it was answered"


def nothing_is_left(history: History, intake: Intake) -> Verdict:
    """At the end every group has finished all that it reads."""
    del intake
    left = history.left.items()
    return verdict("nothing is left", (f"{topic}[{p}]: {count} not finished" if count else None for (topic, p), count in left))
