"""DPM-Solver++ of second order, multistep, Lu et al. 2022: twice the order of Euler at the same cost."""

from __future__ import annotations

import math

from engines.errors import Unsupported
from engines.samplers.spacing import dpm_levels
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
    "algorithm_type": "dpmsolver++",
    "lower_order_final": True,
    "euler_at_final": False,
    "solver_order": 2,
    "solver_type": "midpoint",
}
REFUSED = ("use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas", "thresholding")

FEW = 15
"""Below this many steps the last one is taken at first order, which keeps it stable (the authors' rule)."""


def table(config: Config, steps: int, start: int = 0) -> Table:
    """The last ``steps - start`` steps of a run of ``steps``; the first of them is of first order."""
    _refuse(config)
    times, sigmas = dpm_levels(config, steps)
    levels = [_Level(float(sigma)) for sigma in sigmas]
    rows = []
    for k in range(start, steps):
        single = k == start or (k == steps - 1 and _single_at_end(config, steps))
        before = None if single else levels[k - 1]
        row = _step(levels[k], levels[k + 1], before, noisy=config["algorithm_type"].startswith("sde"))
        p, q = _to_clean(str(config["prediction_type"]), levels[k])
        rows.append(row | {"timestep": float(times[k]), "p": p, "q": q})
    first = levels[start]
    return assemble(rows, keep=first.alpha if start else 0.0, add=first.spread if start else 1.0)


class _Level:
    """A noise level: x = alpha·x₀ + spread·noise, lam = log(alpha/spread)."""

    def __init__(self, sigma: float) -> None:
        self.alpha = 1 / math.sqrt(sigma**2 + 1)
        self.spread = sigma * self.alpha
        self.lam = -math.log(sigma) if sigma > 0 else math.inf


def _refuse(config: Config) -> None:
    if config["algorithm_type"] not in ("dpmsolver++", "sde-dpmsolver++"):
        raise Unsupported("sampler", "dpmpp-2m is dpmsolver++ or sde-dpmsolver++")
    if config["solver_type"] != "midpoint" or config["solver_order"] != 2:
        raise Unsupported("sampler", "dpmpp-2m is the midpoint solver of order 2")
    if config.get("lambda_min_clipped", -math.inf) not in (-math.inf, "-inf", "-Infinity", None):
        raise Unsupported("sampler", "dpmpp-2m does not clip lambda")


def _single_at_end(config: Config, steps: int) -> bool:
    few = config["lower_order_final"] and steps < FEW
    return bool(config["euler_at_final"] or few or config["final_sigmas_type"] == "zero")


def _to_clean(kind: str, level: _Level) -> tuple[float, float]:
    """x₀ as (factor of x, factor of the model's output)."""
    return {
        "epsilon": (1 / level.alpha, -level.spread / level.alpha),
        "v_prediction": (level.alpha, -level.spread),
        "sample": (0.0, 1.0),
    }[kind]


def _step(here: _Level, there: _Level, before: _Level | None, *, noisy: bool) -> dict[str, float]:
    h = there.lam - here.lam
    decay = math.exp(-h)
    gain = there.alpha * (1 - (decay**2 if noisy else decay))
    a = there.spread / here.spread * (decay if noisy else 1.0)
    d = there.spread * math.sqrt(1 - decay**2) if noisy else 0.0
    lean = 0.0 if before is None else 0.5 * h / (here.lam - before.lam)
    return {"a": a, "b": gain * (1 + lean), "c": -gain * lean, "d": d}
