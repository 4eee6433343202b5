"""What a job will cost, in seconds of the device."""

from __future__ import annotations

from contracts.catalog import ModelSpec
from contracts.work import Resolved
from streams.policy.rejected import Rejected

MAX_PRICE_S = 3600.0
"""No single job may hold a device longer (predicted seconds). The limits of a model multiply to far more than it means."""


def price(resolved: Resolved, model: ModelSpec) -> float:
    """Predicted device seconds when run alone. Raises `Rejected` above `MAX_PRICE_S`.

    Rows are pictures times guidance branches; a step of a row is taken to grow with its pixels.
    """
    rows = resolved.count * resolved.frames * (2 if resolved.guidance > 1 else 1)
    scale = resolved.width * resolved.height / (model.width * model.height)
    seconds = model.cost.base_s + model.cost.per_row_step_s * resolved.steps * rows * scale
    if seconds > MAX_PRICE_S:
        raise Rejected("too_large", "inputs", f"about {seconds:.0f} seconds of work are more than {MAX_PRICE_S:.0f}")
    return round(seconds, 6)
