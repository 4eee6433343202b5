"""One policy on one trace, at one scale of the latency goals."""

from __future__ import annotations

from contracts.work import Ran
from loadtest.simulate.bound import bound
from loadtest.simulate.contender import Contender
from loadtest.simulate.hindsight import known, plan
from loadtest.simulate.measures import Measures, measure
from loadtest.simulate.policies import OURS, POLICIES
from loadtest.simulate.policies.planned import Planned, Replanned
from loadtest.simulate.simulation import Run, Simulation, catalog_of
from loadtest.simulate.trace import Scenario
from loadtest.simulate.traces import TRACES
from loadtest.simulate.worker import SLOTS
from streams.policy.cost import Costs
from streams.policy.cost_model import CostModel
from streams.policy.fill import Caps, CatalogCaps


class Table(CostModel):
    """Predicts by the catalogue alone: for policies that ask for no predictions, as learning takes most of a run's time."""

    def learn(self, run: Ran) -> None:
        """Not."""


def play(scenario: Scenario, policy: str, scale: float = 1.0, *, slots: int = SLOTS) -> Run:
    """Run it. `slots`: batches that a worker takes at once."""
    catalog = catalog_of(scenario)
    caps, costs = CatalogCaps(catalog), (CostModel if policy == OURS else Table)(catalog)
    contender = _contender(scenario, policy, scale, caps, costs)
    return Simulation(scenario, contender, caps, costs, name=policy, scale=scale, slots=slots).run()


def _contender(scenario: Scenario, policy: str, scale: float, caps: Caps, costs: Costs) -> Contender:
    if policy == HINDSIGHT:
        return Planned(caps, plan(scenario, scale).batches())
    if policy == REPLANNED:
        return Replanned({str(job.number): job for job in known(scenario, scale)})
    return POLICIES[policy](caps, costs)


HINDSIGHT, REPLANNED = "hindsight", "replanned"
"""Not policies: the one knows the future, the other what everything takes."""

Task = tuple[str, int, str, float, int]
"""Trace, seed, policy (empty: the bound; or one of these), scale, slots."""


def run_task(task: Task) -> Measures | float:
    """In a process of its own, perhaps."""
    trace, seed, policy, scale, slots = task
    scenario = TRACES[trace](seed)
    return measure(play(scenario, policy, scale, slots=slots)) if policy else bound(scenario, scale)
