"""Trains the decoder on, once the latents are fixed: corners and small stars gain most, and the transformer is not touched."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from engines.builtin.draw import draw
from engines.builtin.models import LATENT_SCALE, build_vae
from engines.builtin.training.fit import Fit, Plan
from engines.builtin.training.latents import scene_at
from engines.builtin.training.vae import edges, load_vae

BATCH = 16
WINDOW = 8
"""Side of a training window in latent pixels."""

EDGE_WEIGHT = 8.0
LATENT_NOISE = 0.06

Row = dict[str, Any]


def train_decoder(root: Path, steps: int, seed: int, device: str = "cpu") -> None:
    """Trains into root/decoder from root/vae's decoder, on root/latents and the pictures they were made of."""
    torch.manual_seed(seed)
    decoder = load_vae(root / "vae").decoder.train().requires_grad_().to(device)
    stored = torch.load(root / "latents" / "latents.pt", weights_only=True)
    plan = Plan(steps=steps, rate=1e-3, warm_up=30, averaging=0.99, save_every=100)

    def loss(step: int) -> tuple[Any, dict[str, float]]:
        rng = Random(f"decoder {seed} {step}")
        pairs = [_window(stored, rng) for _ in range(BATCH)]
        latents = torch.stack([one for one, _ in pairs]).to(device)
        pictures = torch.stack([one for _, one in pairs]).to(device)
        generator = torch.Generator(device=device).manual_seed(step)
        noise = torch.randn(latents.shape, generator=generator, device=device)
        return _loss(decoder, latents + LATENT_NOISE * noise, pictures), {}

    Fit(decoder, plan, root / "decoder").run(loss)


def load_tuned_vae(root: Path) -> Any:
    """The autoencoder with its decoder as trained last."""
    vae = load_vae(root / "vae") if (root / "vae" / "checkpoint.pt").exists() else build_vae()
    path = root / "decoder" / "checkpoint.pt"
    if path.exists():
        vae.decoder.load_state_dict(torch.load(path, weights_only=True)["average"])
    return vae.eval()


def _window(stored: Any, rng: Random) -> tuple[Any, Any]:
    """Unscaled latents [C, 8, 8] and their picture [3, 64, 64] in [-1, 1], around a pixel of a thing."""
    row: Row = rng.choices(stored["rows"], weights=[len(one["indices"]) for one in stored["rows"]])[0]
    place = rng.randrange(len(row["indices"]))
    index = row["indices"][place]
    scene, canvas = scene_at(index, stored["seed"])
    picture = draw(scene, *canvas, Random(f"drawing {stored['seed']} {index}"))
    top, left = _corner(picture, rng)
    scale = stored["scale"]
    latents = row["latents"][place].float() / scale["factor"] + scale["shift"]
    side = WINDOW * LATENT_SCALE
    pixels = picture[top * LATENT_SCALE :, left * LATENT_SCALE :][:side, :side]
    return (
        latents[:, top : top + WINDOW, left : left + WINDOW],
        torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1,
    )


def _corner(picture: Any, rng: Random) -> tuple[int, int]:
    rows, columns = np.nonzero((picture != picture[0, 0]).any(axis=-1))
    pick = rng.randrange(len(rows))
    height, width = (side // LATENT_SCALE for side in picture.shape[:2])
    top = int(rows[pick]) // LATENT_SCALE - rng.randint(1, WINDOW - 2)
    left = int(columns[pick]) // LATENT_SCALE - rng.randint(1, WINDOW - 2)
    return min(max(top, 0), height - WINDOW), min(max(left, 0), width - WINDOW)


def _loss(decoder: Any, latents: Any, pictures: Any) -> Any:
    with torch.autocast(latents.device.type, torch.bfloat16):
        decoded = decoder(latents.contiguous(memory_format=torch.channels_last)).float()
    wrong = (decoded - pictures).abs() + 0.5 * (decoded - pictures).square()
    return (wrong * (1 + EDGE_WEIGHT * edges(pictures))).mean()
