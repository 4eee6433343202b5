"""What went in, sorted out: which record is a job, which one repeats it, contradicts it or is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from contracts.events import Control
from loadtest.crew.watch import Seen
from loadtest.storm.history import History, Name
from loadtest.storm.load import Intent


@dataclass(kw_only=True)
class SentJob:
    """A job: the first fit record with its id."""

    name: Name
    claim: Seen[bytes]
    intent: Intent
    copies: int = 0
    conflicts: int = 0
    cancel: str = ""
    """`early`: noted before the job came. `some`: while it was on its way."""

    @property
    def ends(self) -> frozenset[str]:
        """Terminal states that are right."""
        if self.cancel == "early":
            return frozenset({"cancelled"})
        return self.intent.ends | {"cancelled"} if self.cancel else self.intent.ends


@dataclass(kw_only=True)
class Intake:
    """Everything that was sent."""

    jobs: dict[Name, SentJob] = field(default_factory=dict)
    refused: list[tuple[Name, Seen[bytes]]] = field(default_factory=list)
    """Sender (empty where none can be read) and record of what is no job."""


def sort_out(history: History) -> Intake:
    """An id is the first fit record's: records of one id share a partition, so their order is known."""
    intake = Intake()
    for record in sorted(history.jobs, key=lambda one: (one.partition, one.offset)):
        intent = history.intents[record.value]
        name = (intent.tenant, intent.id)
        if not intent.ends:
            intake.refused.append((name, record))
        elif name not in intake.jobs:
            intake.jobs[name] = SentJob(name=name, claim=record, intent=intent)
        elif intake.jobs[name].claim.value == record.value:
            intake.jobs[name].copies += 1
        else:
            intake.jobs[name].conflicts += 1
    _note_cancels(history, intake)
    return intake


def _note_cancels(history: History, intake: Intake) -> None:
    for record in history.control:
        order = msgspec.json.decode(record.value, type=Control)
        job = intake.jobs.get((order.tenant, order.id))
        if job is not None and job.cancel != "early":
            job.cancel = "early" if record.offset < history.early else "some"
