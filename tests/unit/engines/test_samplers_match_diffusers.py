"""Each table against the scheduler it restates, step by step on the same model outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engines import samplers
from engines.samplers import Table

torch = pytest.importorskip("torch", reason="compares with diffusers: needs the [torch] extra")
diffusers = pytest.importorskip("diffusers", reason="compares with diffusers: needs the [torch] extra")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

VP = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ZERO_SNR = {**VP, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
SHAPE = (2, 4, 8, 8)

CASES: list[tuple[str, dict[str, Any]]] = [
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 1.0}),
    *[
        ("EulerDiscreteScheduler", {**VP, "prediction_type": kind, "timestep_spacing": spacing, "steps_offset": 1})
        for kind in ("epsilon", "v_prediction", "sample")
        for spacing in ("linspace", "leading", "trailing")
    ],
    ("EulerDiscreteScheduler", {**ZERO_SNR, "timestep_spacing": "trailing"}),
    ("EulerDiscreteScheduler", {**VP, "use_karras_sigmas": True}),
    ("EulerDiscreteScheduler", {**VP, "final_sigmas_type": "sigma_min"}),
    *[
        ("DDIMScheduler", {**VP, "prediction_type": kind, "timestep_spacing": spacing, "clip_sample": False})
        for kind in ("epsilon", "v_prediction", "sample")
        for spacing in ("linspace", "leading", "trailing")
    ],
    ("DDIMScheduler", {**ZERO_SNR, "timestep_spacing": "trailing", "clip_sample": False}),
    ("DDIMScheduler", {**VP, "set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}),
    ("DDIMScheduler", {"beta_schedule": "squaredcos_cap_v2", "clip_sample": False}),
    ("DDIMScheduler", {**VP, "clip_sample": False, "eta": 1.0}),
    ("DDIMScheduler", {**VP, "clip_sample": False, "eta": 0.4}),
    *[
        ("DPMSolverMultistepScheduler", {**VP, "prediction_type": kind, "timestep_spacing": spacing})
        for kind in ("epsilon", "v_prediction", "sample")
        for spacing in ("linspace", "leading", "trailing")
    ],
    ("DPMSolverMultistepScheduler", {**VP, "use_karras_sigmas": True}),
    ("DPMSolverMultistepScheduler", {**VP, "final_sigmas_type": "sigma_min"}),
    ("DPMSolverMultistepScheduler", {**VP, "algorithm_type": "sde-dpmsolver++"}),
    ("DPMSolverMultistepScheduler", {**VP, "euler_at_final": True}),
    ("DPMSolverMultistepScheduler", {**ZERO_SNR, "timestep_spacing": "trailing"}),
]


def a_model(x: Any, time: float) -> Any:
    """Anything that depends on all it is given and stays of the order of 1."""
    return np.cos(x * 1.3 + time / 300.0) * 0.7 + 0.1 * x


def noise_for(step: int) -> Any:
    return np.random.default_rng(1000 + step).standard_normal(SHAPE).astype(np.float32)


def scheduler_for(name: str, options: dict[str, Any], steps: int, start: int) -> Any:
    scheduler = getattr(diffusers, name)(**{key: value for key, value in options.items() if key != "eta"})
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    return scheduler


def their_step(scheduler: Any, options: dict[str, Any], step: int, time: Any, x: Any) -> tuple[Any, Any]:
    scaled = scheduler.scale_model_input(x, time) if hasattr(scheduler, "scale_model_input") else x
    output = torch.from_numpy(a_model(scaled.numpy(), float(time)))
    extra: dict[str, Any] = {}
    if isinstance(scheduler, diffusers.DDIMScheduler):
        extra = {"eta": options.get("eta", 0.0)}
    if extra.get("eta") or "sde" in str(options.get("algorithm_type")):
        extra["variance_noise"] = torch.from_numpy(noise_for(step))
    return scaled, scheduler.step(output, time, x, **extra).prev_sample


def our_step(table: Table, step: int, x: Any, before: Any) -> tuple[Any, Any, Any]:
    scale, p, q, a, b, c, d = table.row(step)
    scaled = scale * x
    clean = p * x + q * a_model(scaled, float(table.timestep[step]))
    return scaled, a * x + b * clean + c * before + d * noise_for(step), clean


@pytest.mark.parametrize(("steps", "start"), [(1, 0), (4, 0), (10, 3), (20, 0), (20, 12)])
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:90])
def test_a_table_steps_like_the_scheduler(name: str, options: dict[str, Any], steps: int, start: int) -> None:
    if steps == 1 and options.get("timestep_spacing", "linspace") == "linspace" and "cap_v2" not in str(options):
        steps = 2  # one step of linspace is the step at no noise at all
    table = samplers.table({"_class_name": name, **options}, steps, start=start)
    scheduler = scheduler_for(name, options, steps, start)
    assert len(table) == steps - start

    noise = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    ours = noise.astype(np.float64) * table.add
    theirs = torch.from_numpy(ours.astype(np.float32))
    before: Any = 0.0
    for step, time in enumerate(scheduler.timesteps[start:]):
        assert table.timestep[step] == pytest.approx(float(time), rel=1e-6, abs=1e-3)
        came_from = float(theirs.abs().max())
        scaled_ours, ours, before = our_step(table, step, theirs.numpy().astype(np.float64), before)
        scaled_theirs, theirs = their_step(scheduler, options, step, time, theirs)
        np.testing.assert_allclose(scaled_ours, scaled_theirs.numpy(), rtol=1e-5, atol=1e-5)
        # Theirs is float32 throughout: from sigma 4096 (zero SNR) a step to 0 cancels all but a few digits.
        tolerance = 2e-5 * float(np.abs(ours).max()) + 4e-7 * came_from
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:90])
def test_a_start_from_an_image_mixes_like_the_scheduler(name: str, options: dict[str, Any]) -> None:
    steps, start = 10, 4
    table = samplers.table({"_class_name": name, **options}, steps, start=start)
    scheduler = scheduler_for(name, options, steps, start)
    clean, noise = (torch.from_numpy(noise_for(k)) for k in (1, 2))
    times = scheduler.timesteps[start : start + 1].repeat(2)
    flow = name.startswith("Flow")
    theirs = scheduler.scale_noise(clean, times, noise) if flow else scheduler.add_noise(clean, noise, times)
    ours = table.keep * clean + table.add * noise
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:90])
def test_a_start_from_noise_scales_like_the_scheduler(name: str, options: dict[str, Any]) -> None:
    table = samplers.table({"_class_name": name, **options}, 10)
    scheduler = scheduler_for(name, options, 10, 0)
    assert table.keep == 0.0
    assert table.add == pytest.approx(float(getattr(scheduler, "init_noise_sigma", 1.0)), rel=1e-5)
