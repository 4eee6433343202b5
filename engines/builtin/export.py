"""Writes the shipped folder: a standard diffusers pipeline with ONNX graphs beside the weights.

python -m engines.builtin.export --work .darkroom-train --model engines/builtin/model
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from engines.builtin.models import LATENT_CHANNELS, LATENT_SCALE, TEXT_WIDTHS, TOKENS, build_scheduler
from engines.builtin.onnx_graphs import export_graphs
from engines.builtin.scene import CANVASES
from engines.builtin.training.decoder import load_tuned_vae
from engines.builtin.training.latents import load_latents
from engines.builtin.training.sample import GUIDANCE, STEPS
from engines.builtin.training.text import load_text
from engines.builtin.training.transformer import load_transformer

VERSION = "1"
TEXT_FOLDERS = ("text_encoder", "text_encoder_2")
TOKENIZER_FOLDERS = ("tokenizer", "tokenizer_2")


def export(work: Path, model: Path) -> None:
    """Writes the pipeline of the training folder `work` into `model`, weights in float16."""
    text = load_text(work / "text", work / "tokenizer").half().float()
    transformer, vae = load_transformer(work).half().float(), _scaled_vae(work).half().float()
    for name in TOKENIZER_FOLDERS:
        shutil.copytree(work / "tokenizer", model / name, dirs_exist_ok=True)
    for name, encoder in zip(TEXT_FOLDERS, text.encoders, strict=True):
        _save(encoder, model / name)
    _save(transformer, model / "transformer")
    _save(vae, model / "vae")
    build_scheduler().save_pretrained(model / "scheduler")
    _write(model / "model_index.json", _index())
    _write(model / "darkroom.json", _facts(transformer))
    export_graphs(model, text.encoders, transformer, vae)


def _scaled_vae(work: Path) -> Any:
    """The autoencoder, told how the pipeline must scale its latents."""
    _, scale = load_latents(work / "latents", scenes=False)
    vae = load_tuned_vae(work).to(memory_format=torch.contiguous_format)
    vae.register_to_config(scaling_factor=scale.factor, shift_factor=scale.shift)
    return vae


def _save(module: Any, folder: Path) -> None:
    module.half().save_pretrained(folder, safe_serialization=True)
    module.float()


def _index() -> dict[str, Any]:
    return {
        "_class_name": "StableDiffusion3Pipeline",
        "_diffusers_version": "0.39.0",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_3": [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "tokenizer_3": [None, None],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderTiny"],
    }


def _facts(transformer: Any) -> dict[str, Any]:
    """What an engine needs to know and the pipeline's own files do not tell."""
    sides = [side for canvas in CANVASES for side in canvas]
    return {
        "version": VERSION,
        "tasks": ["text-to-image", "image-to-image"],
        "steps": {"default": STEPS, "min": 1, "max": 50},
        "guidance": {"default": GUIDANCE, "min": 1.0, "max": 6.0},
        "width": {"default": CANVASES[0][0], "min": min(sides), "max": max(sides), "multiple": 2 * LATENT_SCALE},
        "height": {"default": CANVASES[0][1], "min": min(sides), "max": max(sides), "multiple": 2 * LATENT_SCALE},
        "max_pixels": max(width * height for width, height in CANVASES),
        "trained_canvases": [list(canvas) for canvas in CANVASES],
        "tokens": TOKENS,
        "empty_t5_tokens": 0,
        "latent_channels": LATENT_CHANNELS,
        "latent_scale": LATENT_SCALE,
        "text_widths": list(TEXT_WIDTHS),
        "joint_width": int(transformer.config.joint_attention_dim),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".darkroom-train"))
    parser.add_argument("--model", type=Path, default=Path(__file__).parent / "model")
    options = parser.parse_args()
    export(options.work, options.model)


if __name__ == "__main__":
    main()
