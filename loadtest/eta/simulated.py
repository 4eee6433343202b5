"""Forecasts in simulated time: the code of admission and of the scheduler over the simulator's traces."""

from __future__ import annotations

from msgspec.structs import replace

from contracts.pools import PoolState
from loadtest.eta.judge import Told
from loadtest.simulate.policies import BATCH_WAIT_S
from loadtest.simulate.simulation import Simulation, catalog_of
from loadtest.simulate.traces import TRACES
from streams.policy.batching import Scheduler
from streams.policy.cost_model import CostModel
from streams.policy.eta import Eta
from streams.policy.fill import CatalogCaps
from streams.policy.outlook import Outlook
from streams.policy.waiting import Formed, Waiting

WAY_S = 0.03
"""From the scheduler to admission."""


class Forecasting(Scheduler):
    """The production scheduler, with admission's forecasts: a job is forecast when it comes."""

    def __init__(self, caps: CatalogCaps, costs: CostModel) -> None:
        super().__init__(caps, batch_wait_s=BATCH_WAIT_S, costs=costs)
        self.told: dict[str, tuple[float, Eta]] = {}
        self._outlook = Outlook()
        self._coming: PoolState | None = None

    def arrive(self, job: Waiting, now: float) -> list[Waiting]:
        head = job.head
        if head.attempt == 1:
            eta = self._outlook.chunk(now).forecast("default", head.tier, head.tenant, head.price_s, head.model)
            if eta is not None:
                self.told[head.id] = now, eta
            head = replace(head, admitted_at=now, forecast_s=eta.raw_s if eta else 0.0)
        return list(super().arrive(replace(job, head=head), now))

    def form(self, now: float) -> Formed | None:
        if self._coming is not None and now >= self._coming.at + WAY_S:
            self._outlook.learn(self._coming)
            self._coming = None
        self._coming = self.news("default", now) or self._coming
        return super().form(now)


def simulated(trace: str, seed: int) -> list[Told]:
    """Forecasts and ends of all jobs of a trace that ran."""
    scenario = TRACES[trace](seed)
    catalog = catalog_of(scenario)
    caps, costs = CatalogCaps(catalog), CostModel(catalog)
    policy = Forecasting(caps, costs)
    run = Simulation(scenario, policy, caps, costs, name="darkroom").run()
    told = []
    for number, fate in enumerate(run.fates):
        if fate.done_at is not None and str(number) in policy.told:
            at, eta = policy.told[str(number)]
            told.append(Told(at=at, tier=scenario.items[number].tier, eta=eta, took_s=fate.done_at - at))
    return told
