"""What batches of one key take of a device's memory: a line by rows through what runs took on top of their model.

On top, as only that grows with the batch: where all runs were of one size, a line through all that the device held would say
that twice the batch takes the model twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, median_high

import numpy as np

from contracts.work import Measured
from streams.policy.cost import Memory
from streams.policy.cost_fit import non_negative

MARGIN = 1.1
"""Times what the line says: an allocator cannot use all that is free, as it is in pieces."""

COVER = 0.9
"""Of the runs that are to take no more than the line says."""


def memory_of(runs: Sequence[Measured]) -> Memory | None:
    """None: no device told."""
    told = [
        (run.rows, float(run.memory_bytes - run.model_bytes), float(run.model_bytes))
        for run in runs
        if run.memory_bytes is not None and run.model_bytes is not None and run.memory_bytes > run.model_bytes >= 0
    ]
    if not told:
        return None
    base, row = _line(told)
    over = sorted(above / (base + row * rows) for rows, above, _ in told)
    factor = MARGIN * max(1.0, over[int(COVER * (len(over) - 1))])
    return Memory(median(model for *_, model in told), base * factor, row * factor)


def _line(told: Sequence[tuple[int, float, float]]) -> tuple[float, float]:
    """Through the middle of each size's runs, weighed by how many they are: a wild one among several moves nothing.

    Of one size only: in proportion to its rows. That is the most that a larger batch can take, if a batch takes anything
    whatever its rows are, and a larger one that fits by it soon tells.
    """
    sizes: dict[int, list[float]] = {}
    for rows, above, _ in told:
        sizes.setdefault(rows, []).append(above)
    middle = {rows: median_high(several) for rows, several in sizes.items()}
    if len(middle) == 1:
        ((rows, above),) = middle.items()
        return 0.0, above / rows
    above_, weights = np.array(list(middle.values())), np.array([len(several) for several in sizes.values()], dtype=np.float64)
    features = np.array([(1.0, rows) for rows in middle]) / above_[:, None]
    base, row = non_negative(features, np.ones_like(above_), weights)
    return float(base), float(row)
