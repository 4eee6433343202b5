"""A schedule made with hindsight: how much can be had, at least, by who knows all arrivals and how long everything takes.

The bound says that nobody has more; this says that so much can be had, by showing how. What is found is played in the
simulator as any policy is (`policies.planned`).

First each job in turn, by goal, goes where it costs least and makes nobody late: into a batch that is planned already, or
between two. Then the search takes a job that is late, takes out what runs about its time, and puts all of it in again in
another order (ruin and recreate: Schrimpf et al. 2000, Christiaens and Vanden Berghe 2020).

Its workers load no model that they did not begin with.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from loadtest.simulate.lane import Known, Lane, Place
from loadtest.simulate.measures import WEIGHTS
from loadtest.simulate.simulation import Plumbing, slower
from loadtest.simulate.trace import Scenario
from loadtest.simulate.truth import JITTER, rows_of

ROUNDS = 1000
"""Tries at most: it is over as soon as nobody is late."""

AROUND_S = (0.3, 4.0)
"""How much is taken out: what begins in so many seconds before and after, as drawn."""

SOONER = 0.03
"""What it counts to begin a second earlier, in seconds of a worker: idle time is lost for good."""

ECONOMY = (0.3, 1.0)
"""What a second of a worker counts that delays nobody, as drawn."""

BLINKS = 0.05
"""Share of the places that are overlooked, so that no two tries are alike."""


class Plan:
    """Of all workers."""

    def __init__(self, jobs: Sequence[Known], lanes: list[Lane], seed: int = 0) -> None:
        self.lanes = lanes
        self.late: list[Known] = []
        self._random = random.Random(seed)
        self.add(sorted(jobs, key=lambda job: job.due))

    def batches(self) -> list[list[list[str]]]:
        """For each worker the ids of each of its batches."""
        return [[[str(job.number) for job in batch.jobs] for batch in lane.batches] for lane in self.lanes]

    def lost(self) -> float:
        """What those who are late are worth."""
        return sum(job.worth for job in self.late)

    def add(self, jobs: Iterable[Known], economy: float = 1.0, blinks: float = 0.0) -> None:
        """Each where it costs least."""
        chance = self._random.random
        for job in jobs:
            places = (place for lane in self.lanes for place in lane.places(job) if not blinks or chance() > blinks)
            best = min(places, key=lambda place: _cost(place, economy), default=None)
            if best is None:
                self.late.append(job)
            else:
                best.lane.put(best)

    def improve(self) -> None:
        """One try; what it loses is taken back."""
        before = [lane.copy() for lane in self.lanes]
        late, lost = self.late, self.lost()
        job, chance = self._random.choice(late), self._random.uniform
        middle, around = chance(job.ready - 1, job.due), chance(*AROUND_S)
        again = self._clear(middle - around, middle + around)
        self.add(self._order(again), chance(*ECONOMY), BLINKS)
        if self.lost() > lost:
            self.late, self.lanes = late, before

    def _clear(self, since: float, until: float) -> list[Known]:
        """Take out what begins in this time, and ask again for those who are late and could have run in it."""
        again = [one for one in self.late if one.ready < until and one.due > since]
        self.late = [one for one in self.late if one.ready >= until or one.due <= since]
        return again + [job for lane in self.lanes for job in lane.clear(since, until)]

    def _order(self, jobs: Sequence[Known]) -> list[Known]:
        """By worth, by goal or by both, not quite."""
        chance = self._random
        noise, by_worth = chance.choice((0.0, 0.5, 2.0)), chance.choice((0.0, 0.5, 2.0))
        return sorted(jobs, key=lambda job: job.due - by_worth * job.worth + chance.uniform(0, noise))


def _cost(place: Place, economy: float) -> float:
    return place.pushes + economy * place.takes + SOONER * place.begins


def plan(scenario: Scenario, scale: float = 1.0, *, rounds: int = ROUNDS) -> Plan:
    """The best that was found; the same for the same trace."""
    lanes = [Lane(scenario.loaded(number)) for number in range(scenario.workers)]
    found = Plan(known(scenario, scale), lanes, scenario.seed)
    for _ in range(rounds):
        if not found.late:
            break
        found.improve()
    return found


def known(scenario: Scenario, scale: float) -> list[Known]:
    """Its jobs, with the way through Kafka already taken off their time."""
    ways, models = Plumbing(), {model.spec.ref: model for model in scenario.models}
    kinds: dict[object, int] = {}
    runs: dict[tuple[int, ...], list[float]] = {}
    jobs = []
    for number, item in enumerate(scenario.items):
        model, resolved = models[item.model], item.resolved
        default = model.spec.width * model.spec.height * (2 if model.spec.guidance > 1 else 1)
        weight = rows_of(resolved) * resolved.frames * resolved.width * resolved.height / default
        jobs.append(
            Known(
                number=number,
                key=(item.model, resolved.width, resolved.height, resolved.frames),
                resolved=resolved,
                kind=kinds.setdefault((item.model, resolved), len(kinds)),
                model=model,
                ready=item.at + ways.admit_s + ways.dispatch_s,
                due=item.at + item.goal_s * scale - ways.settle_s,
                worth=WEIGHTS[item.tier],
                weight=max(1.0, weight),
                limit=float(model.spec.batch_cap),
                slower=slower(scenario.seed, str(number), JITTER),
                runs=runs,
            )
        )
    return jobs
