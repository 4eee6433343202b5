"""Which of a model's training timesteps a run of n steps visits, and at which noise levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engines.errors import Unsupported
from engines.samplers.training import Config, sigmas

Levels = npt.NDArray[np.floating[Any]]


def euler_levels(config: Config, steps: int) -> tuple[Levels, Levels]:
    """Timesteps (n,) and σ (n + 1,) as diffusers' EulerDiscreteScheduler sets them; timesteps need not be whole."""
    total = int(config["num_train_timesteps"])
    spacing = config["timestep_spacing"]
    if spacing == "linspace":
        times: Levels = np.linspace(0, total - 1, steps, dtype=np.float32)[::-1].astype(np.float64)
    elif spacing == "leading":
        times = np.arange(steps)[::-1] * float(total // steps) + int(config["steps_offset"])
    else:
        times = _trailing(total, steps, spacing)
    curve = sigmas(config)
    levels = np.interp(times, np.arange(len(curve)), curve)
    return _levels(config, times, curve, levels, ends=(levels[-1], levels[0]), whole=False)


def dpm_levels(config: Config, steps: int) -> tuple[Levels, Levels]:
    """The same for DPMSolverMultistepScheduler: whole timesteps, and linspace and leading leave the lowest out."""
    total = int(config["num_train_timesteps"])
    spacing = config["timestep_spacing"]
    if spacing == "linspace":
        times: Levels = np.linspace(0, total - 1, steps + 1).round()[::-1][:-1]
    elif spacing == "leading":
        times = np.arange(steps + 1)[::-1][:-1] * float(total // (steps + 1)) + int(config["steps_offset"])
    else:
        times = _trailing(total, steps, spacing)
    curve = sigmas(config)
    whole = config["beta_schedule"] != "squaredcos_cap_v2"
    levels = np.interp(times, np.arange(len(curve)), curve)
    return _levels(config, times, curve, levels, ends=(curve[0], curve[-1]), whole=whole)


def ddim_times(config: Config, steps: int) -> npt.NDArray[np.int64]:
    """Whole timesteps (n,) as diffusers' DDIMScheduler sets them."""
    total = int(config["num_train_timesteps"])
    spacing = config["timestep_spacing"]
    if spacing == "linspace":
        times: Levels = np.linspace(0, total - 1, steps).round()[::-1]
    elif spacing == "leading":
        times = np.arange(steps)[::-1] * float(total // steps) + int(config["steps_offset"])
    else:
        times = _trailing(total, steps, spacing)
    return times.astype(np.int64)


def _trailing(total: int, steps: int, spacing: Any) -> Levels:
    if spacing != "trailing":
        raise Unsupported("sampler", f"timestep spacing {spacing!r} is not known")
    return np.arange(total, 0, -total / steps).round() - 1


def _levels(
    config: Config, times: Levels, curve: Levels, levels: Levels, *, ends: tuple[float, float], whole: bool
) -> tuple[Levels, Levels]:
    """``ends``: the range that Karras' levels span, which the two schedulers choose differently."""
    if config.get("use_karras_sigmas"):
        low, high = config.get("sigma_min") or ends[0], config.get("sigma_max") or ends[1]
        levels = _karras(low, high, len(times))
        times = _times_of(levels, curve)
        times = times.round() if whole else times
    last = curve[0] if config["final_sigmas_type"] == "sigma_min" else 0.0
    return times, np.append(levels, last).astype(np.float32).astype(np.float64)


def _karras(low: float, high: float, steps: int) -> Levels:
    """Karras et al. 2022, equation 5, with their rho = 7."""
    ramp = np.linspace(0, 1, steps)
    return np.asarray((high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7)


def _times_of(levels: Levels, curve: Levels) -> Levels:
    """Timesteps at which the model was trained on these σ, by linear interpolation in log σ."""
    return np.interp(np.log(np.maximum(levels, 1e-10)), np.log(curve), np.arange(len(curve), dtype=np.float64))
