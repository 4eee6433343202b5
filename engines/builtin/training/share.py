"""Data-parallel training in two processes of one thread each.

On a busy machine two threads wait for each other at every operation; two processes wait once a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import multiprocessing

WAIT_S = 1200.0
"""Longest wait for the other workers: they may be compiling or checking."""


class Share:
    """One worker's seat at the table where gradients are averaged."""

    def __init__(self, rank: int, table: Any, barrier: Any) -> None:
        self.rank, self.table, self.barrier = rank, table, barrier
        """table: shared float32 [workers, weights]."""

    @property
    def workers(self) -> int:
        """How many take part."""
        return len(self.table)

    def average(self, weights: list[Any]) -> None:
        """Replaces the gradients of the weights by their mean over the workers."""
        mine = self.table[self.rank]
        for weight, part in zip(weights, _parts(mine, weights), strict=True):
            part.copy_(weight.grad)
        self.barrier.wait(WAIT_S)
        mean = self.table.mean(0)
        self.barrier.wait(WAIT_S)
        for weight, part in zip(weights, _parts(mean, weights), strict=True):
            weight.grad.copy_(part)

    def exchange(self, parts: list[Any], mine: list[bool]) -> list[Any]:
        """Each worker's own parts (those marked `mine`) given to all: the full list, copied."""
        slots = _parts(self.table[0][: sum(part.numel() for part in parts)], parts)
        for slot, part, ours in zip(slots, parts, mine, strict=True):
            if ours:
                slot.copy_(part)
        self.barrier.wait(WAIT_S)
        taken = [slot.clone() for slot in slots]
        self.barrier.wait(WAIT_S)
        return taken


def run_shared(work: Callable[[Share], None], workers: int, weights: int) -> None:
    """Runs `work` in as many processes, each with a seat at a table for that many weights."""
    context = multiprocessing.get_context("spawn")
    table = torch.zeros(workers, weights).share_memory_()
    barrier = context.Barrier(workers)
    processes = [context.Process(target=work, args=(Share(rank, table, barrier),)) for rank in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        message = "a training worker failed"
        raise RuntimeError(message)


def _parts(flat: Any, weights: list[Any]) -> list[Any]:
    parts = flat.split([weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
