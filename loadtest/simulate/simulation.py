"""One run of a trace against a policy, in simulated time."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

from contracts.catalog import Catalog
from contracts.work import QueuedHead, WorkerReport
from loadtest.simulate.clock import Clock
from loadtest.simulate.contender import Contender
from loadtest.simulate.device import ENDLESS, Device
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.truth import JITTER
from loadtest.simulate.worker import SLOTS, SimulatedWorker
from streams.policy.cost import Costs
from streams.policy.fill import Caps
from streams.policy.place import resized
from streams.policy.price import price
from streams.policy.retry import BACKOFF_S
from streams.policy.waiting import Formed, Waiting

QUIET_S = 600.0
"""No job ends for so long though some are left: they are lost (seconds)."""


class Plumbing(Struct, frozen=True, kw_only=True):
    """What the way through Kafka takes (seconds): medians of a lightly loaded system on one machine."""

    admit_s: float = 0.02
    """From submission to the scheduler's window."""
    dispatch_s: float = 0.01
    """From a batch formed to its worker."""
    report_s: float = 0.005
    """From a worker to the scheduler."""
    settle_s: float = 0.03
    """From a job's last step to its result: stored, published, settled."""


class Troubles(Struct, frozen=True, kw_only=True):
    """What goes wrong."""

    failing: float = 0.0
    """Share of the jobs whose first run fails in a way that another may not."""
    deaths: tuple[tuple[float, int, float], ...] = ()
    """When which worker dies, and when it is back (seconds from the start)."""


class Fate(Struct, frozen=True, kw_only=True):
    """What became of a job."""

    done_at: float | None
    """When its result was told; None: it expired."""
    started_at: float | None = None
    """When its last run was dispatched."""


class Run(Struct, frozen=True, kw_only=True):
    """What came of it."""

    policy: str
    scenario: Scenario
    scale: float
    """Of all latency goals."""
    fates: list[Fate]
    end_s: float
    """When the last job was through."""
    busy_s: float
    """Worker-seconds spent running, over all workers."""
    load_s: float
    """And loading models."""
    asked: int
    padded: int
    batches: int
    late: int
    """Outcomes of jobs that had one already: what a second run after a death brings."""
    ooms: int = 0
    """Times that a device ran out of memory."""


class Broken(Exception):
    """The simulation lost a job, or told one twice."""


class Simulation:
    """Plays one scenario."""

    def __init__(  # noqa: PLR0913 - a composition root
        self,
        scenario: Scenario,
        policy: Contender,
        caps: Caps,
        costs: Costs,
        *,
        name: str,
        scale: float = 1.0,
        jitter: float = JITTER,
        slots: int = SLOTS,
        plumbing: Plumbing | None = None,
        troubles: Troubles | None = None,
        tells_memory: bool = True,
    ) -> None:
        """`tells_memory`: whether workers say how much memory they have, and what runs take of it."""
        self.clock = Clock()
        self.models = {model.spec.ref: model for model in scenario.models}
        self._scenario, self._policy, self._caps, self._costs = scenario, policy, caps, costs
        self._name, self._scale, self._jitter, self._slots = name, scale, jitter, slots
        self._plumbing = plumbing or Plumbing()
        self._troubles = troubles or Troubles()
        self._tells_memory = tells_memory
        self._fates: dict[int, Fate] = {}
        self._late = 0
        self._ends: dict[int, int] = {}
        self._offset = 0
        self._woken_at = float("inf")
        self._workers = [self._worker(number) for number in range(scenario.workers)]

    def run(self) -> Run:
        """Until the last job is through."""
        for number, worker in enumerate(self._workers):
            self._policy.ended(number, 0)
            worker.start()
        for when, number, back in self._troubles.deaths:
            self.clock.at(when, self._workers[number].die)
            self.clock.at(back, self._workers[number].back)
        self._submit(0)
        ended, since = 0, 0.0
        while len(self._fates) < len(self._scenario.items):
            self.clock.next_moment()
            self._pass()
            if len(self._fates) > ended or self.clock.now < self._scenario.span_s:
                ended, since = len(self._fates), self.clock.now
            elif self.clock.now > since + QUIET_S:
                raise Broken(f"nothing happens any more, and {len(self._scenario.items) - ended} jobs are left")
        return self._result()

    # -- what the workers see

    def told(self, report: WorkerReport) -> None:
        """A report leaves a worker."""
        self.clock.after(self._plumbing.report_s, lambda: self._hear(report))

    def finished(self, formed: Formed, place: int) -> None:
        """One job's outcome leaves a worker."""
        job = formed.jobs[place]
        self.clock.after(self._plumbing.settle_s, lambda: self._settle(job))

    def failed(self, formed: Formed, place: int) -> None:
        """One job failed for want of memory: it is tried again three times, on whatever worker."""
        self.clock.after(self._plumbing.settle_s, lambda: self._retry(formed.jobs[place]))

    def slower(self, formed: Formed) -> float:
        """The same for the same leader, whatever the policy."""
        return slower(self._scenario.seed, formed.jobs[0].head.id, self._jitter)

    # -- what happens

    def _submit(self, number: int) -> None:
        """All jobs in turn; one event at a time, as a heap of all of them would be slow."""
        items = self._scenario.items
        if number < len(items):
            item = items[number]
            self.clock.at(item.at + self._plumbing.admit_s, lambda: self._admit(number, item))

    def _admit(self, number: int, item: Item) -> None:
        self._arrive(self._head(number, item))
        self._submit(number + 1)

    def _arrive(self, head: QueuedHead) -> None:
        self._offset += 1
        job = Waiting(
            head=head,
            name=(head.tenant, head.id),
            tier=head.tier,
            offset=self._offset,
            arrived=self.clock.now,
            weight=self._caps.weight(head),
            body=b"",
        )
        self._policy.arrive(job, self.clock.now)

    def _hear(self, report: WorkerReport) -> None:
        for run in report.ran:
            self._costs.learn(run)
        self._policy.report(report, self.clock.now)

    def _settle(self, job: Waiting) -> None:
        number = int(job.head.id)
        if number in self._fates:
            self._late += 1
        elif job.head.attempt == 1 and _chance("fails", self._scenario.seed, job.head.id) < self._troubles.failing:
            self._arrive(msgspec.structs.replace(job.head, attempt=2, not_before=self.clock.now + 1.0))
        else:
            self._fates[number] = Fate(done_at=self.clock.now)

    def _retry(self, job: Waiting) -> None:
        number, failures = int(job.head.id), job.head.attempt
        if number in self._fates:
            self._late += 1
        elif failures > len(BACKOFF_S):
            self._fates[number] = Fate(done_at=None)
        else:
            again = self.clock.now + BACKOFF_S[failures - 1]
            self._arrive(msgspec.structs.replace(job.head, attempt=failures + 1, not_before=again))

    def _pass(self) -> None:
        now, policy = self.clock.now, self._policy
        expired = policy.expire(now)
        for job in expired:
            self._expired(int(job.head.id))
        policy.landed(expired)
        while (formed := policy.form(now)) is not None:
            self._send(formed)
        self._sleep(policy.wake_at())

    def _expired(self, number: int) -> None:
        if number in self._fates:
            raise Broken(f"job {number} expired after it had ended")
        self._fates[number] = Fate(done_at=None)

    def _sleep(self, until: float | None) -> None:
        # A time that is past was asked about just now; only news can change the answer.
        if until is not None and until > self.clock.now and not self.clock.now < self._woken_at <= until:
            self._woken_at = until
            self.clock.at(until, lambda: None)

    def _send(self, formed: Formed) -> None:
        self.clock.after(self._plumbing.dispatch_s, lambda: self._arrived(formed))

    def _arrived(self, formed: Formed) -> None:
        partition = formed.partition
        offset = self._ends.get(partition, 0)
        self._ends[partition] = offset + 1
        self._policy.sent(formed, offset)
        self._workers[partition].take(formed)

    # -- before and after

    def _head(self, number: int, item: Item) -> QueuedHead:
        """As admission would make it."""
        model = self.models[item.model].spec
        key = resized(f"{model.ref}/{model.tasks[0]}/", item.resolved)
        return QueuedHead(
            id=str(number),
            tenant=item.tenant,
            tier=item.tier,
            model=item.model,
            engine=model.engine,
            batch_key=key,
            price_s=price(item.resolved, item.model, key, self._costs),
            resolved=item.resolved,
            submitted_at=item.at,
            deadline=item.at + item.goal_s * self._scale,
        )

    def _worker(self, number: int) -> SimulatedWorker:
        scenario, device = self._scenario, ENDLESS
        if scenario.memory:
            whole = scenario.memory[number]
            device = Device(name=f"simulated-{whole >> 30}", whole=whole, knows=self._tells_memory)
        return SimulatedWorker(
            self, number, loaded=scenario.loaded(number), holds=scenario.holds, slots=self._slots, device=device
        )

    def _result(self) -> Run:
        workers = self._workers
        return Run(
            policy=self._name,
            scenario=self._scenario,
            scale=self._scale,
            fates=[self._fates[number] for number in range(len(self._scenario.items))],
            end_s=self.clock.now,
            busy_s=sum(one.busy_s for one in workers),
            load_s=sum(one.load_s for one in workers),
            asked=sum(one.asked for one in workers),
            padded=sum(one.padded for one in workers),
            batches=sum(len(one.batches) for one in workers),
            late=self._late,
            ooms=sum(one.ooms for one in workers),
        )


def catalog_of(scenario: Scenario) -> Catalog:
    """What the policies may know of its models."""
    return Catalog(defaults={}, models=[model.spec for model in scenario.models])


def slower(seed: int, leader: str, jitter: float) -> float:
    """How many times longer than the truth's table the batches of this leader take."""
    return 1 + jitter * _chance("luck", seed, leader)


def _chance(*what: object) -> float:
    """Of 0 to 1, the same for the same things on every machine."""
    digest = blake2b(repr(what).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
