"""Samples the shipped folder with onnxruntime and numpy alone: the reference for engines, and what evaluation runs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

Floats = NDArray[np.float32]


class OnnxSampler:
    """The pipeline's graphs; calling it samples pictures."""

    def __init__(self, model: Path, threads: int = 2) -> None:
        self.facts = json.loads((model / "darkroom.json").read_text())
        self.vae = json.loads((model / "vae" / "config.json").read_text())
        self.shift = float(json.loads((model / "scheduler" / "scheduler_config.json").read_text())["shift"])
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer" / "tokenizer.json"))
        self.encoders = [_session(model / name / "model.onnx", threads) for name in ("text_encoder", "text_encoder_2")]
        self.transformer = _session(model / "transformer" / "model.onnx", threads)
        self.decoder = _session(model / "vae" / "decoder.onnx", threads)

    def __call__(
        self,
        prompts: list[str],
        seeds: list[int],
        canvas: tuple[int, int],
        steps: int | None = None,
        guidance: float | None = None,
    ) -> NDArray[np.uint8]:
        """Pictures [B, height, width, 3] of the prompts on a (width, height) canvas."""
        steps = steps or int(self.facts["steps"]["default"])
        guidance = guidance or float(self.facts["guidance"]["default"])
        latents = self._noise(seeds, canvas)
        text, pooled = self.encode([""] * len(prompts) + prompts)
        levels = shifted_levels(steps, self.shift)
        for level, lower in pairwise(levels):
            velocity = self._velocity(np.concatenate([latents, latents]), level, text, pooled)
            without, with_text = np.split(velocity, 2)
            latents = latents + (lower - level) * (without + np.float32(guidance) * (with_text - without))
        return self.decode(latents)

    def encode(self, prompts: list[str]) -> tuple[Floats, Floats]:
        """Token features [B, T, D] and pooled vectors [B, D], both encoders side by side."""
        ids = np.array([encoded.ids for encoded in self.tokenizer.encode_batch(prompts)], dtype=np.int64)
        said = [encoder.run(None, {"input_ids": ids}) for encoder in self.encoders]
        return np.concatenate([one[0] for one in said], -1), np.concatenate([one[1] for one in said], -1)

    def decode(self, latents: Floats) -> NDArray[np.uint8]:
        """Pictures [B, height, width, 3] of scaled latents [B, C, H, W]."""
        scaled = latents / np.float32(self.vae["scaling_factor"]) + np.float32(self.vae["shift_factor"])
        image = self.decoder.run(None, {"latents": scaled})[0]
        pictures = np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)
        return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))

    def _noise(self, seeds: list[int], canvas: tuple[int, int]) -> Floats:
        scale = int(self.facts["latent_scale"])
        shape = (int(self.facts["latent_channels"]), canvas[1] // scale, canvas[0] // scale)
        return np.stack([np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) for seed in seeds])

    def _velocity(self, latents: Floats, level: np.float32, text: Floats, pooled: Floats) -> Floats:
        asked = {
            "latents": latents,
            "timestep": np.full(len(latents), level * 1000, np.float32),
            "encoder_hidden_states": text,
            "pooled": pooled,
        }
        velocity: Floats = self.transformer.run(None, asked)[0]
        return velocity


def shifted_levels(steps: int, shift: float, train_steps: int = 1000) -> Floats:
    """Noise levels of FlowMatchEulerDiscreteScheduler, [steps + 1], from 1 down to 0; it shifts the lowest one twice."""
    lowest = _shifted(np.array(1 / train_steps), shift)
    levels = _shifted(np.linspace(1.0, float(lowest), steps), shift)
    return np.append(levels, 0.0).astype(np.float32)


def _shifted(levels: Any, shift: float) -> Any:
    return shift * levels / (1 + (shift - 1) * levels)


def _session(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
