"""DDIM, Song et al. 2020, equation 12: deterministic at eta = 0, ancestral at eta = 1. Zero terminal SNR is fine."""

from __future__ import annotations

from engines.errors import Unsupported
from engines.samplers.spacing import ddim_times
from engines.samplers.table import Table, assemble
from engines.samplers.training import Config, cumulative_alphas

DEFAULTS: Config = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 0,
    "set_alpha_to_one": True,
    "eta": 0.0,
}
REFUSED = ("clip_sample", "thresholding")
"""Not linear. (diffusers takes an absent clip_sample as true, which latent models never want: here it is false.)"""


def table(config: Config, steps: int, start: int = 0) -> Table:
    """The last ``steps - start`` steps of a run of ``steps``."""
    total = int(config["num_train_timesteps"])
    if steps > total:
        raise Unsupported("steps", f"ddim takes at most {total} steps with this model")
    alphas = cumulative_alphas(config).astype(float)
    beyond = 1.0 if config["set_alpha_to_one"] else alphas[0]
    times = [int(time) for time in ddim_times(config, steps)][start:]
    before = [time - total // steps for time in times]
    kind, eta = str(config["prediction_type"]), float(config["eta"])
    rows = [
        _row(kind, eta, float(t), alphas[min(t, total - 1)], alphas[s] if s >= 0 else beyond)
        for t, s in zip(times, before, strict=True)
    ]
    first = alphas[min(times[0], total - 1)]
    return assemble(rows, keep=first**0.5 if start else 0.0, add=(1 - first) ** 0.5 if start else 1.0)


def _row(kind: str, eta: float, time: float, alpha: float, following: float) -> dict[str, float]:
    clean, noise = _parts(kind, alpha**0.5, (1 - alpha) ** 0.5)
    variance = (1 - following) / (1 - alpha) * (1 - alpha / following)
    spread = eta * max(variance, 0.0) ** 0.5
    to_clean, to_noise = following**0.5, max(1 - following - spread**2, 0.0) ** 0.5
    return {
        "timestep": time,
        "a": to_clean * clean[0] + to_noise * noise[0],
        "b": to_clean * clean[1] + to_noise * noise[1],
        "d": spread,
    }


def _parts(kind: str, signal: float, spread: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The clean picture and the noise in x, each as (factor of x, factor of the model's output)."""
    if kind == "v_prediction":
        return (signal, -spread), (spread, signal)
    if kind == "sample":
        return (0.0, 1.0), (1 / spread, -signal / spread)
    if signal == 0.0:
        raise Unsupported("sampler", "zero terminal SNR needs a model that predicts v, not epsilon")
    return (1 / signal, -spread / signal), (0.0, 1.0)
