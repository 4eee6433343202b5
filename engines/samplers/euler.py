"""Euler's method on a variance-preserving model, in the scaled space of Karras et al. 2022: x = x₀ + σ·noise."""

from __future__ import annotations

from engines.errors import Unsupported
from engines.samplers.spacing import euler_levels
from engines.samplers.table import Table, assemble
from engines.samplers.training import Config

DEFAULTS: Config = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "linspace",
    "steps_offset": 0,
    "final_sigmas_type": "zero",
}
REFUSED = ("use_exponential_sigmas", "use_beta_sigmas")


def table(config: Config, steps: int, start: int = 0) -> Table:
    """The last ``steps - start`` steps of a run of ``steps``."""
    if config.get("interpolation_type", "linear") != "linear" or config.get("timestep_type") == "continuous":
        raise Unsupported("sampler", "euler knows linear interpolation and discrete timesteps only")
    times, levels = euler_levels(config, steps)
    rows = [
        _row(str(config["prediction_type"]), float(times[k]), float(levels[k]), float(levels[k + 1])) for k in range(start, steps)
    ]
    if start:
        return assemble(rows, keep=1.0, add=levels[start])
    exact = config["timestep_spacing"] in ("linspace", "trailing")
    return assemble(rows, keep=0.0, add=levels.max() if exact else (levels.max() ** 2 + 1) ** 0.5)


def _row(kind: str, time: float, sigma: float, following: float) -> dict[str, float]:
    """The step x + (σ' - σ)·(x - x₀)/σ, with x₀ linear in x and the model's output."""
    norm = sigma**2 + 1
    rate = (following - sigma) / sigma
    from_x, from_output = {
        "epsilon": (1.0, -sigma),
        "v_prediction": (1.0 / norm, -sigma / norm**0.5),
        "sample": (0.0, 1.0),
    }[kind]
    return {"timestep": time, "scale": norm**-0.5, "a": 1 + rate * (1 - from_x), "b": -rate * from_output}
