"""Euler's method on a flow-matching model, with shifted times: Stable Diffusion 3.

The model predicts the velocity v = noise - x₀ of x = (1 - σ)·x₀ + σ·noise, so a step is x + (σ' - σ)·v.
"""

from __future__ import annotations

import numpy as np

from engines.samplers.table import Table, assemble
from engines.samplers.training import Config

DEFAULTS: Config = {"num_train_timesteps": 1000, "shift": 1.0}
REFUSED = (
    "use_dynamic_shifting",
    "shift_terminal",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "invert_sigmas",
    "stochastic_sampling",
)


def table(config: Config, steps: int, start: int = 0) -> Table:
    """The last ``steps - start`` steps of a run of ``steps``."""
    levels = _levels(int(config["num_train_timesteps"]), float(config["shift"]), steps)
    total = float(config["num_train_timesteps"])
    rows = [{"timestep": levels[k] * total, "a": 1.0, "b": levels[k + 1] - levels[k]} for k in range(start, steps)]
    return assemble(rows, keep=1.0 - levels[start] if start else 0.0, add=levels[start])


def _levels(total: int, shift: float, steps: int) -> list[float]:
    """σ, n + 1 of them. The lowest is shifted twice, as diffusers does: models are sampled so everywhere."""
    low, high = _shifted(np.array([1.0 / total, 1.0]), shift)
    levels = _shifted(np.linspace(high, low, steps), shift)
    return [*levels.astype(np.float32).astype(float), 0.0]


def _shifted(levels: np.typing.NDArray[np.float64], shift: float) -> np.typing.NDArray[np.float64]:
    return shift * levels / (1 + (shift - 1) * levels)
