"""One policy on one trace, at one scale of the latency goals."""

from __future__ import annotations

from loadtest.simulate.policies import POLICIES
from loadtest.simulate.simulation import Run, Simulation, catalog_of
from loadtest.simulate.trace import Scenario
from streams.policy.cost_model import CostModel
from streams.policy.fill import CatalogCaps


def play(scenario: Scenario, policy: str, scale: float = 1.0) -> Run:
    """Run it."""
    catalog = catalog_of(scenario)
    caps = CatalogCaps(catalog)
    costs = CostModel(catalog)
    return Simulation(scenario, POLICIES[policy](caps, costs), caps, costs, name=policy, scale=scale).run()
