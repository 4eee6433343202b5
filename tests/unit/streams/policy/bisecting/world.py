"""Jobs of which some end the engine whenever they run, and all that may go wrong while they are told from the others.

The scheduler, the outcomes of a lost run and what follows from them are the real ones; queues, workers and the job
store's rule of attempts are a few lists here. Complains when a neighbour of a poison job pays for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from contracts.codec import encode
from contracts.work import Batch, Outcome, PackedBatch, QueuedHead, QueuedJob, WorkerReport
from gpu_consumers import outcome
from gpu_consumers.flight import Source, open_batch
from gpu_consumers.frames import Unmade
from loadtest.crew.noop import catalog_of
from loadtest.fuzz.system import ANYTHING
from streams.policy.batching import Scheduler
from streams.policy.ending import Ending, ending
from streams.policy.fill import CatalogCaps
from streams.policy.retry import BACKOFF_S
from streams.policy.waiting import Waiting
from tests.support.queued import queued_job

if TYPE_CHECKING:
    from random import Random

CAP = 8
MODELS = catalog_of(replace(ANYTHING, batch_cap=CAP))
HALVINGS = ceil(log2(CAP))
LONG = 400
"""Steps after which something that should have come to its end never will."""


class Violation(AssertionError):
    """A promise was broken."""


@dataclass(kw_only=True)
class Case:
    """One job as it is, and what became of it."""

    poison: bool
    attempt: int = 1
    runs: set[int] = field(default_factory=set)
    """Attempts in which an engine had it."""
    ends: list[Ending] = field(default_factory=list)


class World:
    def __init__(self, poison: list[bool], dice: Random) -> None:
        self.now = 1000.0
        self.cases = {f"job-{n}": Case(poison=one) for n, one in enumerate(poison)}
        self._dice = dice
        self._queue: list[QueuedJob] = [queued_job(id, submitted_at=0.0, admitted_at=0.0) for id in self.cases]
        """Records of the queue; those written and not delivered yet are in `_coming`."""
        self._coming: list[int] = list(range(len(self._queue)))
        self._gone: set[int] = set()
        """Offsets that were dispatched."""
        self._batches: list[PackedBatch] = []
        self._told: dict[str, list[Outcome]] = defaultdict(list)
        """Outcomes on their way to settle, by job: each job's keep their order, no two jobs' do."""
        self._scheduler = self._new_scheduler()

    def _new_scheduler(self) -> Scheduler:
        scheduler = Scheduler(CatalogCaps(MODELS), batch_wait_s=0.0)
        scheduler.ended(0, 0)
        return scheduler

    def play(self, steps: int) -> None:
        """So many steps, then everything comes to its end."""
        happenings = [self.a_job_arrives, self.a_batch_is_formed, self.a_batch_runs, self.a_worker_dies_half_told]
        happenings += [self.an_outcome_is_settled, self.an_outcome_is_told_twice, self.the_scheduler_dies, self.time_passes]
        for _ in range(steps):
            self._dice.choice(happenings)()
        self._come_to_an_end()
        self._judge()

    # -- what happens

    def a_job_arrives(self) -> None:
        if not self._coming:
            return
        offset = self._coming.pop(self._dice.randrange(len(self._coming)))
        job = self._queue[offset]
        body = encode(job)
        head = msgspec.json.decode(body, type=QueuedHead)
        waiting = Waiting(
            head=head, name=(job.tenant, job.id), tier=job.tier, offset=offset, arrived=self.now, weight=1.0, body=body
        )
        self._scheduler.arrive(waiting, self.now)

    def a_batch_is_formed(self) -> None:
        report = WorkerReport(worker="w", pool="default", at=self.now, generation=1, positions={0: 10**9}, models=["noop@1"])
        self._scheduler.report(report, self.now)
        formed = self._scheduler.form(self.now)
        if formed is None:
            return
        self._scheduler.sent(formed, len(self._batches))
        self._gone |= {job.offset for job in formed.jobs}
        packed = Batch(
            id=f"batch{len(self._gone)}", pool="default", key=formed.jobs[0].head.batch_key, engine="noop", model="noop@1",
            formed_at=self.now, sources=[], jobs=[self._queue[job.offset] for job in formed.jobs],
        )  # fmt: skip
        self._batches.append(msgspec.json.decode(encode(packed), type=PackedBatch))

    def a_batch_runs(self) -> None:
        if self._batches:
            for one in self._run(self._batches.pop(0)):
                self._told[one.id].append(one)

    def a_worker_dies_half_told(self) -> None:
        """Some outcomes of a batch are out, it is not committed, and its next owner runs it again."""
        if self._batches:
            for one in self._run(self._batches[0]):
                if self._dice.random() < 0.5:
                    self._told[one.id].append(one)

    def _run(self, batch: PackedBatch) -> list[Outcome]:
        flight = open_batch(1, Source(topic="batches.default", partition=0, offset=0), encode(batch), self.now)
        flight.started_at = self.now
        for entry in flight.entries:
            self.cases[entry.queued.id].runs.add(entry.queued.attempt)
        if not any(self.cases[entry.queued.id].poison for entry in flight.entries):
            return [self._success(entry.queued) for entry in flight.entries]
        lost = [
            Unmade(place=place, state="failed", code="engine_crashed", message="", retryable=True, lost=True)
            for place in range(len(flight.entries))
        ]
        return outcome.unmade(flight, lost, self.now, "w")

    def _success(self, job: QueuedJob) -> Outcome:
        return Outcome(id=job.id, tenant=job.tenant, state="succeeded", at=self.now, attempt=job.attempt)

    def an_outcome_is_settled(self) -> None:
        waiting = [id for id, outcomes in sorted(self._told.items()) if outcomes]
        if waiting:
            self._settle(self._told[self._dice.choice(waiting)].pop(0))

    def an_outcome_is_told_twice(self) -> None:
        for outcomes in self._told.values():
            outcomes.extend(outcomes[:1])

    def _settle(self, one: Outcome) -> None:
        """As the job store decides: terminal states stay, and a failure has to be of the current attempt."""
        case = self.cases[one.id]
        if case.ends or (one.state == "failed" and one.attempt != case.attempt):
            return
        end = ending(one, self.now, "0", MODELS)
        if end.retry is None:
            case.ends.append(end)
            return
        case.attempt += 1
        self._queue.append(end.retry)
        self._coming.append(len(self._queue) - 1)

    def the_scheduler_dies(self) -> None:
        """Its successor gets every record again that was not dispatched."""
        self._scheduler = self._new_scheduler()
        self._coming = [offset for offset in range(len(self._queue)) if offset not in self._gone]

    def time_passes(self) -> None:
        self.now += self._dice.choice([0.01, 0.5, 1.0, 5.0])

    def _come_to_an_end(self) -> None:
        for _ in range(LONG):
            if all(case.ends for case in self.cases.values()):
                return
            while self._coming:
                self.a_job_arrives()
            self.now += 1.0
            self.a_batch_is_formed()
            self.a_batch_runs()
            while any(self._told.values()):
                self.an_outcome_is_settled()
        raise Violation(f"never ended: {[id for id, case in self.cases.items() if not case.ends]}")

    # -- what to think of it

    def _judge(self) -> None:
        if charged := [
            one.id for one in self._queue if not self.cases[one.id].poison and any(run.counted for run in one.history)
        ]:
            raise Violation(f"{charged} were charged with what others did")
        for id, case in self.cases.items():
            (end,) = case.ends
            if case.poison:
                self._judge_poison(id, case, end)
            elif end.outcome.state != "succeeded":
                raise Violation(f"{id} did nothing and {end.outcome.state}")
            elif len(case.runs) > HALVINGS + 1:
                raise Violation(f"{id} ran {len(case.runs)} times for others' sake")

    def _judge_poison(self, id: str, case: Case, end: Ending) -> None:
        if end.outcome.state != "failed" or end.dead is None:
            raise Violation(f"{id} is poison and {end.outcome.state}")
        if len(case.runs) > HALVINGS + 1 + len(BACKOFF_S):
            raise Violation(f"{id} ran {len(case.runs)} times")
        if any(one.counted and one.size > 1 for one in end.dead.attempts):
            raise Violation(f"{id} was charged with a run that it shared")
        counts = Counter(one.counted for one in end.dead.attempts)
        if counts[True] != 1 + len(BACKOFF_S):
            raise Violation(f"{id} was given up after {counts[True]} runs of its own")
        if [one.number for one in end.dead.attempts] != sorted(case.runs):
            raise Violation(f"the letter of {id} does not tell of all its runs")
