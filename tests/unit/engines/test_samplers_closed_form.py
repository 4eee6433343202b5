"""Tables against what can be solved on paper; needs no torch.

The data here is one point: x₀ = 0.7. Its perfect model is linear, and every trajectory ends at 0.7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engines import Unsupported, samplers
from engines.samplers import Table
from engines.samplers.training import cumulative_alphas

POINT = 0.7
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
VP = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def perfect_flow_model(x: float, time: float) -> float:
    """v = noise - x₀ for x = (1 - s)·x₀ + s·noise."""
    s = time / 1000
    return (x - (1 - s) * POINT) / s - POINT


def perfect_vp_model(kind: str, config: dict[str, Any]) -> Any:
    alphas = np.maximum(cumulative_alphas({**config}).astype(float), 2.0**-24)

    def model(x: float, time: float) -> float:
        alpha = math.exp(np.interp(time, np.arange(1000), np.log(alphas)))
        signal, spread = math.sqrt(alpha), math.sqrt(1 - alpha)
        noise = (x - signal * POINT) / spread
        return {"epsilon": noise, "v_prediction": signal * noise - spread * POINT, "sample": POINT}[kind]

    return model


def run(table: Table, model: Any, x: float) -> float:
    before = 0.0
    for k in range(len(table)):
        scale, p, q, a, b, c, _ = table.row(k)
        clean = p * x + q * model(scale * x, table.timestep[k])
        x, before = a * x + b * clean + c * before, clean
    return x


@pytest.mark.parametrize("steps", [1, 2, 7, 28])
def test_flow_euler_walks_a_straight_line_to_the_data(steps: int) -> None:
    table = samplers.table(FLOW, steps)
    assert run(table, perfect_flow_model, -1.4 * table.add) == pytest.approx(POINT, abs=1e-9)


def test_flow_euler_shifts_its_times_towards_noise() -> None:
    table = samplers.table(FLOW, 4)
    plain = np.linspace(1.0, 3 * 0.001 / (1 + 2 * 0.001), 4)
    assert table.timestep / 1000 == pytest.approx(3 * plain / (1 + 2 * plain), rel=1e-5)
    assert np.sum(table.b) == pytest.approx(-1.0), "the steps together go from noise to data"


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp-2m"])
def test_a_perfect_model_of_one_point_ends_at_that_point(sampler: str, kind: str) -> None:
    config = {**VP, "_class_name": "DDIMScheduler", "prediction_type": kind, "timestep_spacing": "trailing"}
    table = samplers.table(config, 20, sampler=sampler)
    # Euler's sigma between training steps is interpolated, so its perfect model is perfect to about 1e-3 only.
    assert run(table, perfect_vp_model(kind, config), 0.3 * table.add) == pytest.approx(POINT, abs=2e-3)


def test_ddim_with_zero_terminal_snr_starts_from_pure_noise() -> None:
    config = {**VP, "_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
    config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    table = samplers.table(config, 5)
    from_start, from_output = table.a[0], table.b[0]
    # At alpha = 0, x is the noise and v is minus the data: nothing of x may be taken for data.
    alpha = cumulative_alphas(config)[799]
    assert from_start == pytest.approx(math.sqrt(1 - alpha), rel=1e-6)
    assert from_output == pytest.approx(-math.sqrt(alpha), rel=1e-6)


def test_ancestral_ddim_keeps_the_variance_of_pure_noise() -> None:
    """Data of N(0, 1): x stays N(0, 1) at every level, and the perfect epsilon is √(1 - ᾱ)·x."""
    config = {**VP, "_class_name": "DDIMScheduler", "eta": 1.0}
    table = samplers.table(config, 10)
    alphas = cumulative_alphas(config).astype(float)
    for k in range(len(table) - 1):
        spread = math.sqrt(1 - alphas[int(table.timestep[k])])
        variance = (table.a[k] + table.b[k] * spread) ** 2 + table.d[k] ** 2
        # What is exact as steps get small: 100 training steps at once cost some of it.
        assert variance == pytest.approx(1.0, abs=0.15)
    assert all(table.d[:-1] > 0)


@pytest.mark.parametrize(("strength", "taken"), [(1.0, 10), (0.6, 6), (0.65, 7), (0.1, 1), (0.001, 1)])
def test_strength_decides_how_many_steps_an_image_takes(strength: float, taken: int) -> None:
    assert 10 - samplers.start_step(10, strength) == taken


def test_strength_is_not_fooled_by_floating_point() -> None:
    assert samplers.start_step(10, 0.7) == 3
    assert samplers.start_step(100, 0.07) == 93


def test_only_the_first_order_is_used_where_there_is_no_step_before() -> None:
    config = {**VP, "_class_name": "DPMSolverMultistepScheduler"}
    assert samplers.table(config, 20).c[0] == 0
    middle = samplers.table(config, 20, start=8)
    assert middle.c[0] == 0
    assert all(middle.c[1:-1] != 0)


@pytest.mark.parametrize("option", ["use_beta_sigmas", "thresholding", "use_lu_lambdas"])
def test_what_is_not_linear_is_refused_by_name(option: str) -> None:
    config = {**VP, "_class_name": "DPMSolverMultistepScheduler", option: True}
    with pytest.raises(Unsupported, match=option) as error:
        samplers.table(config, 4, sampler="dpmpp-2m") if option != "thresholding" else samplers.table(config, 4)
    assert error.value.field == "sampler"


def test_flow_and_noise_prediction_do_not_mix() -> None:
    assert samplers.available(FLOW) == ("flow-euler",)
    assert samplers.available({**VP, "_class_name": "PNDMScheduler"}) == ("euler", "ddim", "dpmpp-2m")
    for config, sampler in ((FLOW, "ddim"), ({**VP, "_class_name": "DDIMScheduler"}, "flow-euler"), (FLOW, "magic")):
        with pytest.raises(Unsupported) as error:
            samplers.table(config, 4, sampler=sampler)
        assert error.value.field == "sampler"


def test_ddim_refuses_more_steps_than_the_model_was_trained_with() -> None:
    with pytest.raises(Unsupported) as error:
        samplers.table({**VP, "_class_name": "DDIMScheduler"}, 1001)
    assert error.value.field == "steps"
