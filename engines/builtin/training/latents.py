"""Draws and encodes the scenes that the transformer trains on, beforehand: encoding on the way would double the work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import multiprocessing

from engines.builtin.draw import draw
from engines.builtin.scene import Scene, sample_canvas, sample_scene
from engines.builtin.training.vae import load_vae

BATCH = 32

Canvas = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Latents:
    """Encoded scenes of one canvas: latents [n, C, height/8, width/8] of zero mean and unit variance, float16."""

    scenes: list[Scene]
    latents: Any


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the pipeline scales latents: model = (encoded − shift) · factor."""

    shift: float
    factor: float


def scene_at(index: int, seed: int) -> tuple[Scene, Canvas]:
    """The index-th training scene and its canvas."""
    rng = Random(f"scene {seed} {index}")
    return sample_scene(rng, held_out=False), sample_canvas(rng)


def encode_scenes(folder: Path, vae: Path, count: int, seed: int, device: str = "cpu", workers: int = 1) -> None:
    """Writes latents.pt: for each canvas, the indices of its scenes and their latents. `vae`: its training folder."""
    indices: dict[Canvas, list[int]] = {}
    for index in range(count):
        indices.setdefault(scene_at(index, seed)[1], []).append(index)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        job = partial(_encode, vae, seed, device)
        encoded = {
            canvas: torch.cat([torch.from_numpy(part) for part in pool.imap(job, _batches(chosen))])
            for canvas, chosen in indices.items()
        }
    every = torch.cat([one.transpose(0, 1).flatten(1) for one in encoded.values()], dim=1).float()
    scale = {"shift": float(every.mean()), "factor": float(1 / every.std())}
    rows = [
        {"canvas": list(canvas), "indices": indices[canvas], "latents": ((one.float() - scale["shift"]) * scale["factor"]).half()}
        for canvas, one in encoded.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"scale": scale, "seed": seed, "rows": rows}, folder / "latents.pt")


def load_latents(folder: Path, *, scenes: bool = True) -> tuple[list[Latents], Scale]:
    """What encode_scenes wrote; without the scenes only the scale."""
    stored = torch.load(folder / "latents.pt", weights_only=True)
    groups = [
        Latents(
            scenes=[scene_at(index, stored["seed"])[0] for index in row["indices"]],
            latents=row["latents"],
        )
        for row in (stored["rows"] if scenes else ())
    ]
    return groups, Scale(**stored["scale"])


def _batches(indices: list[int]) -> list[list[int]]:
    return [indices[start : start + BATCH] for start in range(0, len(indices), BATCH)]


@cache
def _vae(folder: Path, device: str) -> Any:
    if device == "cpu":
        torch.set_num_threads(1)  # the workers share the cores
    return load_vae(folder).to(device)


def _encode(vae: Path, seed: int, device: str, indices: list[int]) -> NDArray[np.float16]:
    pictures = []
    for index in indices:
        scene, canvas = scene_at(index, seed)
        pictures.append(draw(scene, *canvas, Random(f"drawing {seed} {index}")))
    stacked = torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        latents = _vae(vae, device).encode(stacked.contiguous(memory_format=torch.channels_last)).latents
    return np.asarray(latents.half().cpu().contiguous().numpy())
