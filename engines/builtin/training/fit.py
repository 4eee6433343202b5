"""The training loop that every stage shares: AdamW, warm-up and decay, averaged weights, a log, resumable checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engines.builtin.training.muon import Muon
from engines.builtin.training.share import Share

Loss = Callable[[int], tuple[Any, dict[str, float]]]
"""From a step number to (scalar loss tensor, figures for the log). All its randomness comes from the step number."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast a stage trains."""

    steps: int
    rate: float
    warm_up: int = 200
    decay_from: float = 0.3
    """Share of the steps after which the rate falls linearly to 0."""
    averaging: float = 0.999
    average_every: int = 1
    clip: float = 1.0
    weight_decay: float = 0.01
    orthogonal: str = ""
    """Part of the name of the modules whose matrices Muon trains; empty for none."""
    save_every: int = 250
    """Steps between checkpoints."""
    log_every: int = 50


class Fit:
    """One stage's state: the module, its averaged copy, the optimizer and how many steps are done."""

    def __init__(self, module: Any, plan: Plan, folder: Path, share: Share | None = None) -> None:
        self.module, self.plan, self.folder, self.share = module, plan, folder, share
        self.average = deepcopy(module).requires_grad_(requires_grad=False).eval()
        self.optimizers = _optimizers(module, plan, share)
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._pairs = list(zip(self.average.parameters(), module.parameters(), strict=True))

    def run(self, loss: Loss, on_save: Callable[[Fit], dict[str, float]] | None = None) -> None:
        """Trains until the plan's steps are done, resuming from the folder's checkpoint if there is one."""
        self.load()
        logged, sums = time.monotonic(), {"loss": 0.0, "count": 0.0}
        while self.step < self.plan.steps:
            value = self._advance(loss)
            sums = {"loss": sums["loss"] + value, "count": sums["count"] + 1}
            if self.step % self.plan.log_every == 0:
                self._log({"loss": sums["loss"] / sums["count"], "seconds": time.monotonic() - logged})
                logged, sums = time.monotonic(), {"loss": 0.0, "count": 0.0}
            if self.step % self.plan.save_every == 0 or self.step == self.plan.steps:
                self._checkpoint(on_save)

    def rate(self) -> float:
        """The learning rate at the current step."""
        plan, done = self.plan, self.step / max(self.plan.steps, 1)
        falling = min(1.0, (1 - done) / (1 - plan.decay_from))
        return plan.rate * min(1.0, (self.step + 1) / plan.warm_up) * max(falling, 0.0)

    def save(self) -> None:
        """Writes the checkpoint, whole or not at all; of shared work the first worker does."""
        if self.share is not None and self.share.rank:
            return
        state = {
            "module": self.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [one.state_dict() for one in self.optimizers],
            "step": self.step,
        }
        torch.save(state, self.folder / "checkpoint.tmp")
        (self.folder / "checkpoint.tmp").replace(self.folder / "checkpoint.pt")

    def load(self) -> None:
        """Takes up the checkpoint, if there is one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.step = state["step"]

    def _advance(self, loss: Loss) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate()
        value, _ = loss(self.step)
        value.backward()
        if self.share is not None:
            self.share.average([weight for weight in self.module.parameters() if weight.grad is not None])
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.plan.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % self.plan.average_every == 0:
            self._average()
        return float(value.detach())

    def _average(self) -> None:
        """Moves the averaged weights: quickly at first, so that early checkpoints are worth a look."""
        keep = min(self.plan.averaging**self.plan.average_every, self.step / (self.step + 10 * self.plan.average_every))
        with torch.no_grad():
            for average, weight in self._pairs:
                average.lerp_(weight, 1 - keep)

    def _checkpoint(self, on_save: Callable[[Fit], dict[str, float]] | None) -> None:
        self.save()
        if on_save is not None:
            self._log(on_save(self))

    def _log(self, figures: dict[str, float]) -> None:
        line = {"step": self.step, "rate": self.rate(), "time": round(time.time(), 1)}
        line |= {name: round(value, 5) for name, value in figures.items()}
        rank = self.share.rank if self.share else 0
        with (self.folder / (f"log.{rank}.jsonl" if rank else "log.jsonl")).open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(self.folder.name, rank, json.dumps(line), flush=True)  # noqa: T201 (progress)


def _optimizers(module: Any, plan: Plan, share: Share | None) -> list[Any]:
    """AdamW, and Muon for the matrices the plan names; modulations (norm…) are left to AdamW."""
    named = [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
    matrices = [
        weight
        for name, weight in named
        if plan.orthogonal and plan.orthogonal in name and "norm" not in name and weight.ndim == 2
    ]
    chosen = {id(weight) for weight in matrices}
    others = [weight for _, weight in named if id(weight) not in chosen]
    made: list[Any] = [torch.optim.AdamW(others, lr=plan.rate, betas=(0.9, 0.98), weight_decay=plan.weight_decay, fused=True)]
    return [*made, Muon(matrices, plan.rate, plan.weight_decay, share)] if matrices else made
