"""Muon for the transformer's matrices: momentum whose singular values are all set near 1.

Chosen because samples are dear on two cores; not compared with AdamW alone here.
Everything that is no matrix of a block, and the modulations, stay with AdamW.
Source: Keller Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; update sizes as in Moonlight.
"""

from __future__ import annotations

from typing import Any

import torch

from engines.builtin.training.share import Share

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95
MATCH = 0.2
"""Root mean square of an update, of the rate: AdamW's typical one, so that both take the same rate."""


class Muon(torch.optim.Optimizer):
    """Optimizer of 2-D weights. With a share, each worker orthogonalises some of the shapes for all."""

    def __init__(self, weights: list[Any], rate: float, decay: float, share: Share | None = None) -> None:
        super().__init__(weights, {"lr": rate, "weight_decay": decay})
        self.share = share

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # noqa: ARG002 (the base class's)
        """Moves all weights."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight, update in zip(weights, self._updates(weights), strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * MATCH * max(weight.shape) ** 0.5)

    def _updates(self, weights: list[Any]) -> list[Any]:
        wanted = [self._momentum(weight) for weight in weights]
        if self.share is None:
            return _orthogonal_all(wanted)
        mine = [place % self.share.workers == self.share.rank for place in range(len(wanted))]
        made = iter(_orthogonal_all([one for one, ours in zip(wanted, mine, strict=True) if ours]))
        return self.share.exchange([next(made) if ours else one for one, ours in zip(wanted, mine, strict=True)], mine)

    def _momentum(self, weight: Any) -> Any:
        """Nesterov momentum of the gradient."""
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(state["momentum"], MOMENTUM)


def _orthogonal_all(matrices: list[Any]) -> list[Any]:
    """Each matrix with its singular values near 1; equal shapes are worked on together."""
    done: dict[int, Any] = {}
    for shape in dict.fromkeys(matrix.shape for matrix in matrices):
        places = [place for place, matrix in enumerate(matrices) if matrix.shape == shape]
        stacked = _orthogonal(torch.stack([matrices[place] for place in places]))
        done |= dict(zip(places, stacked.unbind(0), strict=True))
    return [done[place] for place in range(len(matrices))]


def _orthogonal(stack: Any) -> Any:
    """Newton–Schulz iteration on [n, rows, columns], in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = stack.shape[-2] > stack.shape[-1]
    x = (stack / (stack.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    x = (x.mT if tall else x).contiguous()
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()
