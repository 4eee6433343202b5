"""Samples pictures with torch, as the pipeline would, from networks in memory: used while training and for evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.builtin.models import LATENT_CHANNELS, LATENT_SCALE, build_scheduler
from engines.builtin.training.latents import Scale

STEPS = 20
GUIDANCE = 2.5


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What sampling needs."""

    tokenizer: Any
    text: Any
    transformer: Any
    vae: Any
    scale: Scale


def sample(
    networks: Networks,
    prompts: list[str],
    seeds: list[int],
    canvas: tuple[int, int],
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> NDArray[np.uint8]:
    """Pictures [B, height, width, 3] of the prompts on a (width, height) canvas; equal seeds give equal noise."""
    width, height = canvas
    shape = (LATENT_CHANNELS, height // LATENT_SCALE, width // LATENT_SCALE)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    latents = torch.stack(noise)
    tokens, pooled = _encode(networks, ["" for _ in prompts] + prompts)
    scheduler = build_scheduler()
    scheduler.set_timesteps(steps)
    for time in scheduler.timesteps:
        with torch.no_grad():
            velocity = networks.transformer(
                torch.cat([latents, latents]),
                encoder_hidden_states=tokens,
                pooled_projections=pooled,
                timestep=time.expand(2 * len(latents)),
                return_dict=False,
            )[0]
        without, with_text = velocity.chunk(2)
        latents = scheduler.step(without + guidance * (with_text - without), time, latents, return_dict=False)[0]
    return _decode(networks, latents)


def _encode(networks: Networks, texts: list[str]) -> tuple[Any, Any]:
    ids = torch.tensor([encoded.ids for encoded in networks.tokenizer.encode_batch(texts)])
    with torch.no_grad():
        tokens, pooled = networks.text(ids)
    return tokens, pooled


def _decode(networks: Networks, latents: Any) -> NDArray[np.uint8]:
    with torch.no_grad():
        decoded = networks.vae.decode(latents / networks.scale.factor + networks.scale.shift).sample
    pictures = ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return np.asarray(pictures)
