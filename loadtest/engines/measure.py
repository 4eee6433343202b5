"""Timing that survives a busy machine: contenders take turns, each is judged by its best turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from loadtest.engines.contenders import Draw

Table = dict[str, dict[int, float]]
"""Pictures a second by contender and batch size."""


def measure(
    draws: Mapping[str, Draw], batches: Sequence[int], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> Table:
    """Every contender at every batch size, in rounds. What else runs on the machine only ever makes a turn slower."""
    best: Table = {name: {} for name in draws}
    for draw in draws.values():
        draw(batches[0])
    for _ in range(rounds):
        for batch in batches:
            for name, draw in draws.items():
                rate = batch / _seconds(draw, batch, clock)
                best[name][batch] = max(rate, best[name].get(batch, 0.0))
    return best


def _seconds(draw: Draw, batch: int, clock: Callable[[], float]) -> float:
    start = clock()
    draw(batch)
    return clock() - start


def lines(table: Table) -> list[str]:
    """For people: rates, what batching gains, and how each compares with the last contender."""
    names = list(table)
    told = [f"{'pictures/s':>18} " + "".join(f"{f'batch {batch}':>18}" for batch in table[names[0]])]
    for name in names:
        one = next(iter(table[name].values()))
        cells = [f"{rate:8.2f} ({rate / one:4.2f}x)" for rate in table[name].values()]
        told.append(f"{name:>18} " + "".join(f"{cell:>18}" for cell in cells))
    reference = table[names[-1]]
    for name in names[:-1]:
        cells = [f"{rate / reference[batch]:.2f}" for batch, rate in table[name].items()]
        told.append(f"{f'over {names[-1]}':>18} " + "".join(f"{cell:>18}" for cell in cells) + f"  {name}")
    return told
