"""Trains the autoencoder: crops rich in edges first, whole pictures last."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch.nn.functional import max_pool2d

from engines.builtin.draw import draw
from engines.builtin.models import build_vae
from engines.builtin.scene import sample_canvas, sample_scene
from engines.builtin.training.fit import Fit, Plan

CROP = 64
BATCH = 16
WHOLE_BATCH = 4
WHOLE_FROM = 0.7
"""Share of the steps after which whole pictures are trained on, so that borders look as they will."""

POOL = 6000
EDGE_WEIGHT = 4.0
LATENT_NOISE = 0.1
"""Noise added to latents of unit variance, so that the decoder forgives a sampler's small errors."""

SPREAD_WEIGHT = 0.02


def train_vae(folder: Path, steps: int, seed: int, device: str = "cpu") -> None:
    """Trains into `folder` (checkpoint.pt, log.jsonl), resuming what is there."""
    torch.manual_seed(seed)
    module = build_vae().to(device, memory_format=torch.channels_last)
    pool = _render_pool(seed)
    fit = Fit(module, Plan(steps=steps, rate=2e-3, warm_up=100, averaging=0.995), folder)
    fit.run(lambda step: _loss(module, _batch(pool, step, steps, seed).to(device), step))


def load_vae(folder: Path) -> Any:
    """The averaged autoencoder of a training folder."""
    module = build_vae()
    module.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["average"])
    return module.eval().to(memory_format=torch.channels_last)


def _render_pool(seed: int) -> list[Any]:
    rng = Random(f"vae pool {seed}")
    return [draw(sample_scene(rng, held_out=False), *sample_canvas(rng), rng) for _ in range(POOL)]


def _batch(pool: list[Any], step: int, steps: int, seed: int) -> Any:
    """Pictures in [-1, 1], [batch, 3, height, width]."""
    rng = Random(f"vae {seed} {step}")
    whole = step >= WHOLE_FROM * steps
    if whole:
        first = rng.choice(pool)
        alike = [picture for picture in rng.sample(pool, 60) if picture.shape == first.shape]
        pictures = [first, *alike[: WHOLE_BATCH - 1]]
    else:
        pictures = [_crop(rng.choice(pool), rng) for _ in range(BATCH)]
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return (stacked / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _crop(picture: Any, rng: Random) -> Any:
    """A CROP × CROP window around a random pixel that differs from the background."""
    rows, columns = np.nonzero((picture != picture[0, 0]).any(axis=-1))
    pick = rng.randrange(len(rows))
    height, width, _ = picture.shape
    top = min(max(rows[pick] - CROP // 2 + rng.randint(-16, 16), 0), height - CROP)
    left = min(max(columns[pick] - CROP // 2 + rng.randint(-16, 16), 0), width - CROP)
    return picture[top : top + CROP, left : left + CROP]


def _loss(module: Any, pictures: Any, step: int) -> tuple[Any, dict[str, float]]:
    generator = torch.Generator(device=pictures.device).manual_seed(step)
    with torch.autocast(pictures.device.type, torch.bfloat16):
        latents = module.encode(pictures).latents.float()
        noise = torch.randn(latents.shape, generator=generator, device=latents.device)
        decoded = module.decode(latents + LATENT_NOISE * noise).sample.float()
    wrong = (decoded - pictures).abs() + 0.5 * (decoded - pictures).square()
    spread = latents.mean((0, 2, 3)).square().mean() + (latents.std((0, 2, 3)) - 1).square().mean()
    return (wrong * (1 + EDGE_WEIGHT * edges(pictures))).mean() + SPREAD_WEIGHT * spread, {}


def edges(pictures: Any) -> Any:
    """1 within 2 pixels of an edge, else 0: [batch, 1, height, width]."""
    highest = max_pool2d(pictures, 5, stride=1, padding=2)
    lowest = -max_pool2d(-pictures, 5, stride=1, padding=2)
    return ((highest - lowest).amax(1, keepdim=True) > 0.1).float()
