"""Schedulers that each break one promise: what proves that the world would notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

from contracts.events import TIERS, Tier
from streams.policy.batching import Scheduler
from streams.policy.crowd import Crowd
from streams.policy.fill import Limit
from streams.policy.overflow import Overflow
from streams.policy.turn import Turn, first
from streams.policy.waiting import Formed, Waiting
from streams.policy.window import Window
from streams.policy.workers import Worker, Workers
from tests.unit.streams.policy.batching.world import CAP

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from contracts.work import WorkerReport
    from streams.policy.affinity import Takers
    from streams.policy.overflow import Owner


class DoneEarly(Scheduler):
    """Takes a second record of a job on its way for done already."""

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        flying = (*job.name, job.head.attempt) in self._flights
        return (job,) if flying else super().arrive(job, now)


class ForgetsFlights(Scheduler):
    """Does not know what is on its way after starting over."""

    def forget_jobs(self) -> None:
        super().forget_jobs()
        self._flights = {key: [] for key in self._flights}
        self._attempts._new.clear()

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        flight = self._flights.get((*job.name, job.head.attempt))
        if flight == [] and self.window.find(job.name) is None:
            self.window.add(job, now)
            return ()
        return super().arrive(job, now)


class LosesRefused(Scheduler):
    """Takes what was not written for gone."""

    def failed(self, formed: Formed, now: float) -> list[Waiting]:
        del now
        self.workers.unsent(formed.partition)
        for job in formed.jobs:
            self._flights.pop((*job.name, job.head.attempt))
        return []


class LosesMoved(Scheduler):
    """Takes the record that stands for a stranded job for a double of it."""

    def moved(self, jobs: Iterable[Waiting], now: float) -> list[Waiting]:
        del now
        return [record for job in jobs for record in self._flights.pop((*job.name, job.head.attempt))]


class MovesTheReady(Scheduler):
    """Sets back jobs that could run."""

    def stranded(self, now: float) -> list[Waiting]:
        jobs = [job for tier in TIERS for crowd in self.window.models(tier).values() for job in crowd]
        for job in jobs:
            self.take_off(job)
        return jobs if now else []


class UpsideDown(Scheduler):
    """Serves the least important first."""

    def _turn(self, able: Container[str], now: float) -> Turn | None:
        turns = (first(self.window, tier, able, now) for tier in reversed(TIERS))
        return next((turn for turn in turns if turn), None)


class NewestFirst(Scheduler):
    """Within a tier."""

    def _turn(self, able: Container[str], now: float) -> Turn | None:
        turn = super()._turn(able, now)
        if turn is None:
            return None
        crowds = [crowd for model, crowd in self.window.models(turn.job.tier).items() if model in able]
        return turn._replace(job=max((job for crowd in crowds for job in crowd), key=lambda job: job.offset))


class OneAtATime(Scheduler):
    """Leaves the second slot empty."""

    def form(self, now: float) -> Formed | None:
        if any(worker.outstanding for worker in self.workers.free(now)):
            self.window.start_due(now)
            return None
        return super().form(now)


class WaitsForEver(Scheduler):
    """For company."""

    def _may_find_company(self, lead: Waiting, worker: Worker, able: Takers, now: float) -> bool:
        return super()._may_find_company(lead, worker, able, min(now, lead.arrived))


class NeverExpires(Scheduler):
    def expire(self, now: float) -> list[Waiting]:
        return super().expire(now - 1.0)


class TooEarly(Scheduler):
    def form(self, now: float) -> Formed | None:
        self.window.start_due(now + 1.0)
        return super().form(now)


class DeafToCancels(Scheduler):
    def cancel(self, tenant: str, id: str) -> Waiting | None:
        self._cancelled[tenant, id] = True
        return None


class TrustsTheDead(Scheduler):
    def form(self, now: float) -> Formed | None:
        self.workers._silent_at = now
        return super().form(now)


class StacksFirst(Scheduler):
    def form(self, now: float) -> Formed | None:
        self.workers.__class__ = Busiest
        return super().form(now)


class Busiest(Workers):
    """Takes only the busiest of those with room for free."""

    def free(self, now: float) -> list[Worker]:
        workers = super().free(now)
        most = max((worker.outstanding for worker in workers), default=0)
        return [worker for worker in workers if worker.outstanding == most]


class OldOwners(Workers):
    """Whoever claimed a partition first keeps it."""

    def _owners(self, workers: Iterable[Worker]) -> dict[int, Worker]:
        owners: dict[int, Worker] = {}
        for worker in sorted(workers, key=lambda one: (-one.report.generation, -one.report.at)):
            owners.update(dict.fromkeys(worker.report.positions, worker))
        return owners


class WritesToOldOwners(Scheduler):
    def report(self, report: WorkerReport, now: float) -> None:
        self.workers.__class__ = OldOwners
        super().report(report, now)


class LeavesRoom(Scheduler):
    """Never fills a batch."""

    def form(self, now: float) -> Formed | None:
        self.window.__class__ = Lonely
        return super().form(now)


class Lonely(Window):
    def companions(self, key: str) -> dict[Tier, Crowd]:
        return {tier: Crowd(self.start_by) for tier in super().companions(key)}


class MixesSuspects(Scheduler):
    """Lets jobs of a lost batch share a batch with others."""

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        return super().arrive(job if not job.head.group else Mixed(**asdict(job)), now)


class Mixed(Waiting, frozen=True, kw_only=True, eq=False):
    @property
    def key(self) -> str:
        return self.head.batch_key


class ForgetsMemory(Scheduler):
    """Fills batches on a device that ran out of memory as if nothing had happened."""

    def _limit(self, lead: Waiting, worker: Worker, now: float) -> Limit:
        del worker, now
        return Limit(self.caps.limit(lead.head))


class NeverRecovers(Scheduler):
    """Keeps batches small for ever."""

    def _limit(self, lead: Waiting, worker: Worker, now: float) -> Limit:
        del now
        squeezed = worker.report.squeezed.get(lead.head.batch_key)
        return Limit(min(self.caps.limit(lead.head), squeezed.weight / 2 if squeezed else CAP))


class LetsAllIn(Scheduler):
    """Has no end to its window."""

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        self.overflow.__class__ = NoEnd
        return super().arrive(job, now)


class NoEnd(Overflow):
    def admits(self, job: Waiting, window: Window) -> bool:
        del job, window
        return True


class FirstComeFirstServed(Scheduler):
    """Fills the window with whoever comes first."""

    def arrive(self, job: Waiting, now: float) -> Sequence[Waiting]:
        self.overflow.__class__ = NoParts
        return super().arrive(job, now)


class NoParts(Overflow):
    def admits(self, job: Waiting, window: Window) -> bool:
        return job.invited or window.load[job.tier] < self._room


class LosesWhatHasNoRoom(Scheduler):
    """Takes it for done with."""

    def set_aside(self) -> list[tuple[Waiting, int]]:
        super().set_aside()
        return []


class ForgetsOverflow(Scheduler):
    """Leaves jobs there that another scheduler set aside."""

    def forget_jobs(self) -> None:
        super().forget_jobs()
        self.overflow.__class__ = OnlyMine


class OnlyMine(Overflow):
    def met(self, owner: Owner, partition: int) -> None:
        """Nobody."""

    def invites(self, owner: Owner, window: Window, promised: int = 0) -> int:
        return super().invites(owner, window, promised) if owner in self._home else 0


class FetchesTooMuch(Scheduler):
    """Calls back whatever is in overflow, though there is no room."""

    def set_aside(self) -> list[tuple[Waiting, int]]:
        self.overflow.__class__ = Impatient
        return super().set_aside()


class Impatient(Overflow):
    def invites(self, owner: Owner, window: Window, promised: int = 0) -> int:
        return super().invites(owner, window, promised) or 1


class LosesTheRenewed(Scheduler):
    """Takes the new record of a job that waited for long for a double."""

    def renewed(self, now: float) -> list[Waiting]:
        renewed = super().renewed(now)
        for job in renewed:
            self._attempts[job.name] = job.head.attempt
        return renewed


WRONG = [
    LetsAllIn,
    FirstComeFirstServed,
    LosesWhatHasNoRoom,
    ForgetsOverflow,
    FetchesTooMuch,
    LosesTheRenewed,
    DoneEarly,
    ForgetsFlights,
    LosesRefused,
    LosesMoved,
    MovesTheReady,
    UpsideDown,
    NewestFirst,
    OneAtATime,
    WaitsForEver,
    NeverExpires,
    TooEarly,
    DeafToCancels,
    TrustsTheDead,
    StacksFirst,
    WritesToOldOwners,
    LeavesRoom,
    MixesSuspects,
    ForgetsMemory,
    NeverRecovers,
]
