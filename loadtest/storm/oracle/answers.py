"""Senders get the answer they are owed."""

from __future__ import annotations

from collections import Counter

from loadtest.storm.history import History
from loadtest.storm.intake import Intake
from loadtest.storm.oracle.verdict import Verdict, said, verdict


def conflicts_are_told(history: History, intake: Intake) -> Verdict:
    """Each record that takes another's id is answered `conflict` (perhaps twice, after a kill); nobody else is."""
    told = Counter((one.value.tenant, one.value.id) for one in history.statuses if one.value.state == "conflict")
    owed = {name: job.conflicts for name, job in intake.jobs.items() if job.conflicts}
    missing = [
        None if told[name] >= count else f"{said(name)}: {told[name]} conflicts told, not {count}" for name, count in owed.items()
    ]
    return verdict("conflicts are told", missing + [f"{said(name)}: no conflict, but told" for name in told if name not in owed])


def early_cancels_hold(history: History, intake: Intake) -> Verdict:
    """A job whose cancel was noted before it came never runs."""
    ran = {(one.value.tenant, one.value.id) for one in history.statuses if one.value.state in ("queued", "running")}
    early = (name for name, job in intake.jobs.items() if job.cancel == "early")
    return verdict("early cancels hold", (f"{said(name)}: went on though cancelled" if name in ran else None for name in early))


def refusals_are_told(history: History, intake: Intake) -> Verdict:
    """A refused record's sender learns which field is at fault."""
    told = {(r.value.tenant, r.value.id): r.value for r in history.results if r.value.state == "rejected"}
    senders = [name for name, _ in intake.refused if name[1]]
    named = {name: result.error is not None and ":" in result.error.message for name, result in told.items()}
    return verdict("refusals are told", (None if named.get(n) else f"{said(n)}: refused without a reason" for n in senders))
