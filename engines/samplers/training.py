"""The noise a variance-preserving model was trained with: x_t = √ᾱ_t·x₀ + √(1 - ᾱ_t)·noise.

In float32 where diffusers is in float32: later steps of the cumulative product differ visibly otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.errors import Unsupported

Curve = npt.NDArray[np.float32]
Config = Mapping[str, Any]

ALMOST_ZERO = 2.0**-24
"""What Euler and DPM++ put for ᾱ = 0, where sigma would be infinite: the smallest subnormal of float16."""


def cumulative_alphas(config: Config) -> Curve:
    """ᾱ for each training timestep, shape (num_train_timesteps,)."""
    betas = _betas(config)
    if config.get("rescale_betas_zero_snr"):
        betas = _zero_terminal_snr(betas)
    return np.cumprod(np.float32(1.0) - betas, dtype=np.float32)


def sigmas(config: Config) -> npt.NDArray[np.float64]:
    """√((1 - ᾱ)/ᾱ) for each training timestep, finite throughout."""
    alphas = cumulative_alphas(config)
    if config.get("rescale_betas_zero_snr"):
        alphas[-1] = ALMOST_ZERO
    return np.asarray(((np.float32(1.0) - alphas) / alphas) ** np.float32(0.5), dtype=np.float64)


def _betas(config: Config) -> Curve:
    if config.get("trained_betas") is not None:
        return np.asarray(config["trained_betas"], dtype=np.float32)
    count, schedule = int(config["num_train_timesteps"]), config["beta_schedule"]
    start, end = float(config["beta_start"]), float(config["beta_end"])
    if schedule == "linear":
        return np.linspace(start, end, count, dtype=np.float32)
    if schedule == "scaled_linear":
        return np.linspace(start**0.5, end**0.5, count, dtype=np.float32) ** 2
    if schedule == "squaredcos_cap_v2":
        return _cosine_betas(count)
    raise Unsupported("sampler", f"beta schedule {schedule!r} is not known")


def _cosine_betas(count: int) -> Curve:
    """Nichol and Dhariwal 2021, with their cap of 0.999."""

    def alpha_bar(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - alpha_bar((i + 1) / count) / alpha_bar(i / count), 0.999) for i in range(count)]
    return np.array(betas, dtype=np.float32)


def _zero_terminal_snr(betas: Curve) -> Curve:
    """Lin et al. 2023, algorithm 1: shift √ᾱ so that it ends at 0, scale so that it begins where it did."""
    root = np.sqrt(np.cumprod(np.float32(1.0) - betas, dtype=np.float32))
    first, last = root[0], root[-1]
    root = (root - last) * (first / (first - last))
    bar = root**2
    alphas = np.concatenate([bar[:1], bar[1:] / bar[:-1]])
    return np.asarray(np.float32(1.0) - alphas, dtype=np.float32)
