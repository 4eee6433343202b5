"""Every job ends exactly once, in the right state, and all who tell of it agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from contracts.events import TERMINAL, Result
from loadtest.storm.history import History, Name
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, said, verdict


def _wanted(intake: Intake) -> Counter[Name]:
    """How often each name must end: a job once, and a refused record with a sender once."""
    wanted = Counter(dict.fromkeys(intake.jobs, 1))
    wanted.update(name for name, _ in intake.refused if name[1])
    return wanted


def _count(wanted: Counter[Name], seen: Counter[Name], what: str) -> Iterator[str | None]:
    for name in sorted(wanted | seen):
        want, have = wanted[name], seen[name]
        yield None if want == have else f"{said(name)}: {have} {what}, not {want}"


def one_result_each(history: History, intake: Intake) -> Verdict:
    """Exactly one `results` record a job, one `rejected` a refused record, and none of anybody else."""
    seen = Counter((one.value.tenant, one.value.id) for one in history.results)
    return verdict("one result each", _count(_wanted(intake), seen, "results"))


def one_terminal_status_each(history: History, intake: Intake) -> Verdict:
    """Exactly one terminal `status`, not counting what is told again to who sent the job again."""
    told = (one.value for one in history.statuses if one.value.state in TERMINAL and not one.value.repeated)
    return verdict("one terminal status each", _count(_wanted(intake), Counter((s.tenant, s.id) for s in told), "ends told"))


def the_right_end(history: History, intake: Intake) -> Verdict:
    """A good job succeeds, a poisoned one fails, one without time expires, a cancelled one ends either way."""

    def each() -> Iterator[str | None]:
        for one in history.results:
            name, state = (one.value.tenant, one.value.id), one.value.state
            right = intake.jobs[name].ends if name in intake.jobs and state != "rejected" else frozenset({"rejected"})
            code = one.value.error.code if one.value.error else "no error"
            yield None if state in right else f"{said(name)}: {state} ({code}), not {'/'.join(sorted(right))}"

    return verdict("the right end", each())


def the_store_agrees(history: History, intake: Intake) -> Verdict:
    """The job store has each job, in the state that was told, with the very result."""
    told = {(one.value.tenant, one.value.id): one.value for one in history.results if one.value.state != "rejected"}
    return verdict("the job store agrees", (_row(history, name, told.get(name)) for name in intake.jobs))


def _row(history: History, name: Name, told: Result | None) -> str | None:
    row = history.rows.get(name)
    if row is None:
        return f"{said(name)}: not in the job store"
    if told is None:
        return None  # that it has no result is another invariant's fault
    if row.state != told.state:
        return f"{said(name)}: {row.state} in the job store, told {told.state}"
    kept = msgspec.json.decode(row.result, type=Result) if row.result else None
    return None if kept == told else f"{said(name)}: the result in the job store is another"
