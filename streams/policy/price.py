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


def too_dear(seconds: float, most_s: float | None = None) -> Rejected | None:
    """Why a job of this price is not taken, if so. `most_s`: the most that its tenant may spend on one, if that is said.

    What is learned moves prices, so a record that is read again may find another answer. Hence none is raised here: whoever
    asks has to see whether the job was taken already.
    """
    most_s = MAX_PRICE_S if most_s is None else min(MAX_PRICE_S, most_s)
    if seconds <= most_s:
        return None
    return Rejected("too_large", "inputs", f"about {seconds:.0f} seconds of work are more than {most_s:.0f}")
