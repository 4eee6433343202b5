"""The diffusers engine against diffusers' own pipelines: from the same latents, the same picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import EngineBroken, Request
from engines.registry import load
from engines.stepwise import StepwiseEngine
from engines.stepwise.noise import noise
from tests.support import tiny_pipelines
from tests.support.engine_runs import ask, run
from tests.support.images import png

torch = pytest.importorskip("torch", reason="compares with diffusers: needs the [torch] extra")
diffusers = pytest.importorskip("diffusers", reason="compares with diffusers: needs the [torch] extra")
pytestmark = pytest.mark.torch

MAKERS: dict[str, Any] = {
    "sd3": tiny_pipelines.stable_diffusion_3,
    "sd": tiny_pipelines.stable_diffusion,
    "sd-v": lambda: tiny_pipelines.stable_diffusion("v_prediction"),
}
SCHEDULERS = {"euler": "EulerDiscreteScheduler", "ddim": "DDIMScheduler", "dpmpp-2m": "DPMSolverMultistepScheduler"}

Pair = tuple[StepwiseEngine, Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=MAKERS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Our engine and their pipeline, of the same folder."""
    pipeline = MAKERS[request.param]()
    folder = tiny_pipelines.save(pipeline, tmp_path_factory.mktemp("model") / request.param)
    pipeline.set_progress_bar_config(disable=True)
    # As read from the folder, where every option is spelled out: those left at defaults would not carry over to another class.
    pipeline.scheduler = type(pipeline.scheduler).from_pretrained(folder, subfolder="scheduler")
    return load("diffusers", str(folder), {"device": "cpu"}), pipeline  # type: ignore[return-value]


def start(engine: StepwiseEngine, request: Request) -> Any:
    space = engine._backend.latents
    shape = (space.channels, request.height // space.scale, request.width // space.scale)
    return torch.from_numpy(np.stack([noise(request.seed + i, 0, shape) for i in range(request.count)]))


def theirs(pipeline: Any, request: Request, latents: Any) -> Any:
    """Their pictures, as levels that are not yet rounded."""
    return (
        255
        * pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            num_images_per_prompt=request.count,
            width=request.width,
            height=request.height,
            latents=latents,
            output_type="np",
        ).images
    )


# Rounding to whole levels is half a level; the rest is float32 against float32 in another order.
TOLERANCE = 0.6


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"guidance": 1.0},
        {"negative_prompt": "a blue square", "guidance": 5.0},
        {"steps": 9, "count": 2},
        {"height": 32},
        {"prompt": "an unknown wörd " * 30},
    ],
    ids=lambda fields: "-".join(fields) or "plain",
)
def test_the_picture_is_the_pipelines(pair: Pair, fields: dict[str, Any]) -> None:
    engine, pipeline = pair
    request = ask(**{"size": 64, **fields})
    ours = run(engine, [request])["one"].images
    expected = theirs(pipeline, request, start(engine, request))
    assert np.abs(np.stack(ours) - expected).max() < TOLERANCE
    assert np.stack(ours).std() > 5, "a flat picture would prove nothing"


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_every_sampler_draws_the_pipelines_picture(pair: Pair, sampler: str) -> None:
    engine, pipeline = pair
    if sampler not in engine.info.samplers:
        pytest.skip("a flow-matching model has one sampler")
    own = pipeline.scheduler
    request = ask(sampler=sampler, steps=8)
    try:
        pipeline.scheduler = getattr(diffusers, SCHEDULERS[sampler]).from_config(own.config)
        expected = theirs(pipeline, request, start(engine, request))
    finally:
        pipeline.scheduler = own
    assert np.abs(np.stack(run(engine, [request])["one"].images) - expected).max() < TOLERANCE


def test_a_start_from_an_image_is_the_pipelines(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, pipeline = pair
    request = ask(task="image-to-image", image=png(64, (200, 30, 90)), strength=0.5, steps=8)
    ours = run(engine, [request])["one"].images
    name = type(pipeline).__name__.replace("Pipeline", "Img2ImgPipeline")
    from_image = getattr(diffusers, name)(**pipeline.components, **({} if "3" in name else {"requires_safety_checker": False}))
    from_image.set_progress_bar_config(disable=True)
    # Their noise and their sample of the autoencoder come from torch; ours are Philox' and its mode.
    module = __import__(type(from_image).__module__, fromlist=["randn_tensor"])
    monkeypatch.setattr(module, "randn_tensor", lambda *_args, **_more: start(engine, request))
    monkeypatch.setattr(module, "retrieve_latents", _mode)
    expected = (
        255
        * from_image(
            prompt=request.prompt,
            negative_prompt="",
            image=torch.from_numpy(np.full((1, 3, 64, 64), 1.0, np.float32) * _colour((200, 30, 90))),
            strength=0.5,
            num_inference_steps=8,
            guidance_scale=request.guidance,
            output_type="np",
            **({"height": 64, "width": 64} if "3" in name else {}),
        ).images
    )
    assert np.abs(np.stack(ours) - expected).max() < TOLERANCE


def _mode(output: Any, **_more: Any) -> Any:
    return output.latents if hasattr(output, "latents") else output.latent_dist.mode()


def _colour(levels: tuple[int, int, int]) -> Any:
    return np.array(levels, np.float32).reshape(1, 3, 1, 1) / 127.5 - 1


def test_a_prompt_that_is_cut_off_is_in_no_log(
    pair: Pair, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    engine, _ = pair
    caplog.set_level(logging.DEBUG)
    run(engine, [ask(prompt="circle " * 200 + "secret", negative_prompt="square " * 200 + "secret")])
    captured = capfd.readouterr()
    assert "secret" not in caplog.text + captured.out + captured.err


def test_weights_in_pickles_are_refused(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.stable_diffusion()
    pipeline.save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(Exception, match="safetensors"):
        load("diffusers", str(tmp_path))


def test_code_that_travels_with_weights_is_refused(tmp_path: Path) -> None:
    folder = tiny_pipelines.save(tiny_pipelines.stable_diffusion(), tmp_path)
    index = folder / "model_index.json"
    index.write_text(
        index.read_text().replace('"diffusers",\n    "UNet2DConditionModel"', '"unet_of_mine",\n    "UNet2DConditionModel"')
    )
    (folder / "unet_of_mine.py").write_text("raise SystemExit('code of the folder ran')")
    with pytest.raises(EngineBroken, match="unet"):
        load("diffusers", str(folder))
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "WuerstchenPipeline"))
    with pytest.raises(EngineBroken, match="WuerstchenPipeline"):
        load("diffusers", str(folder))


@pytest.mark.parametrize("option", [{"precision": "int3"}, {"device": "cpu", "buckets": (4, 8)}])
def test_options_are_heard(pair: Pair, tmp_path: Path, option: dict[str, Any]) -> None:
    folder = tiny_pipelines.save(tiny_pipelines.stable_diffusion(), tmp_path)
    if "precision" in option:
        with pytest.raises(EngineBroken, match="precision"):
            load("diffusers", str(folder), option)
        return
    engine = load("diffusers", str(folder), option)
    assert run(engine, [ask(size=32)])["one"].images
    with pytest.raises(TypeError):
        load("diffusers", str(folder), {"no_such": 1})
