"""The shipped folder obeys prompts that it was never trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the default engine's runtime")

from engines.builtin.evaluation.onnx_sampler import OnnxSampler, shifted_levels
from engines.builtin.evaluation.score import answer, questions, shares

MODEL = Path(__file__).parents[4] / "engines" / "builtin" / "model"
LARGEST = 40 * 2**20
PROMPT = "a red circle above a blue square on a yellow background"


@pytest.fixture(scope="module")
def sampler() -> OnnxSampler:
    return OnnxSampler(MODEL)


def test_held_out_prompts_are_obeyed(sampler: OnnxSampler) -> None:
    """A little below what the shipped weights reach: another runtime may round otherwise."""
    right = shares(answer(questions(24, held_out=True, square_only=True), sampler, batch=6))
    assert right["background"] >= 23 / 24
    assert right["colours"] >= 22 / 24
    assert right["relation"] >= 0.85
    assert right["all"] >= 20 / 24


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(sampler: OnnxSampler) -> None:
    first, again, other = (sampler([PROMPT], [seed], (128, 128))[0].astype(int) for seed in (1, 1, 2))
    assert (first == again).all()
    assert np.abs(first - other).max() > 100


@pytest.mark.parametrize("canvas", [(128, 128), (160, 96), (96, 160)])
def test_pictures_have_the_size_asked_for(sampler: OnnxSampler, canvas: tuple[int, int]) -> None:
    assert sampler([PROMPT], [0], canvas, steps=1).shape == (1, canvas[1], canvas[0], 3)


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) < LARGEST


def test_noise_levels_are_the_schedulers() -> None:
    diffusers = pytest.importorskip("diffusers", reason="only the torch engine has diffusers")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(MODEL / "scheduler")
    scheduler.set_timesteps(12)
    assert np.allclose(scheduler.sigmas.numpy(), shifted_levels(12, float(scheduler.config.shift)), atol=1e-6)


def test_facts_name_tasks_and_limits() -> None:
    facts = json.loads((MODEL / "darkroom.json").read_text())
    assert facts["tasks"] == ["text-to-image", "image-to-image"]
    for side in ("width", "height"):
        assert facts[side]["min"] <= facts[side]["default"] <= facts[side]["max"]
