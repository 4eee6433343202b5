"""What a job will cost, in seconds of the device."""

from __future__ import annotations

from contracts.work import Resolved
from streams.policy.cost import Costs, work_of
from streams.policy.rejected import Rejected

MAX_PRICE_S = 3600.0
"""No single job may hold a device longer (predicted seconds). The limits of a model multiply to far more than it means."""


def price(resolved: Resolved, model: str, key: str, costs: Costs) -> float:
    """Predicted seconds of the model's usual device when run alone."""
    return round(costs.estimate(model, key, work_of(resolved)).seconds, 6)


def check_price(seconds: float, most_s: float = MAX_PRICE_S) -> None:
    """Raises `Rejected` for a job that costs too much."""
    if seconds > most_s:
        raise Rejected("too_large", "inputs", f"about {seconds:.0f} seconds of work are more than {most_s:.0f}")
