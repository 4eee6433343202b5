"""How much the text helps at each noise level: the velocity's error with the caption and with the empty one.

python -m engines.builtin.text_gain --work .darkroom-train --out docs/builtin-model
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from engines.builtin.draw import draw
from engines.builtin.scene import CANVASES, caption, sample_scene
from engines.builtin.tokenizer import load_tokenizer
from engines.builtin.training.latents import load_latents
from engines.builtin.training.text import load_text
from engines.builtin.training.transformer import load_transformer
from engines.builtin.training.vae import load_vae

LEVELS = (1.0, 0.98, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2)
COUNT = 48


def text_gain(work: Path) -> dict[str, dict[str, float]]:
    """For each noise level the mean squared errors over held-out scenes."""
    _, scale = load_latents(work / "latents", scenes=False)
    rng, vae, transformer = Random("text gain"), load_vae(work / "vae"), load_transformer(work)
    scenes = [sample_scene(rng, held_out=True) for _ in range(COUNT)]
    pictures = np.stack([draw(scene, *CANVASES[0], rng) for scene in scenes])
    texts = {"caption": [caption(scene) for scene in scenes], "empty": [""] * COUNT}
    tokenizer, text = load_tokenizer(work / "tokenizer"), load_text(work / "text", work / "tokenizer")
    with torch.no_grad():
        latents = (vae.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1).latents - scale.shift) * scale.factor
        said = {name: text(torch.tensor([one.ids for one in tokenizer.encode_batch(every)])) for name, every in texts.items()}
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
        return {
            str(level): {name: _error(transformer, latents, noise, level, *one) for name, one in said.items()} for level in LEVELS
        }


def _error(transformer: Any, latents: Any, noise: Any, level: float, tokens: Any, pooled: Any) -> float:
    velocity = transformer(
        latents + level * (noise - latents),
        encoder_hidden_states=tokens,
        pooled_projections=pooled,
        timestep=torch.full((len(latents),), level * 1000),
        return_dict=False,
    )[0]
    return round(float((velocity - (noise - latents)).square().mean()), 4)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".darkroom-train"))
    parser.add_argument("--out", type=Path, default=Path("docs/builtin-model"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "text-by-noise.json").write_text(json.dumps(text_gain(options.work), indent=2) + "\n")


if __name__ == "__main__":
    main()
