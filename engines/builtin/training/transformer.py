"""Trains the denoiser: flow matching on encoded scenes, with noise levels shifted to where the text decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log
from pathlib import Path
from random import Random
from typing import Any

import torch

from engines.builtin.models import SHIFT, TOKENS, build_transformer
from engines.builtin.scene import caption, sample_words
from engines.builtin.tokenizer import load_tokenizer
from engines.builtin.training.fit import Fit, Plan
from engines.builtin.training.joint_attention import JointAttention
from engines.builtin.training.latents import Latents, load_latents
from engines.builtin.training.share import Share, run_shared
from engines.builtin.training.text import TextEncoders, load_text

UNSAID_SHARE = 0.1
"""Captions replaced by the empty one, so that guidance has something to move away from."""

EMPTY_TOKENS = (0, 0, 0, 256, 256, 77, 20)
"""Numbers of empty T5 tokens trained with: none (fastest), the pipeline's default, and some between."""

NEVER = -1e4

Check = Callable[[Any, int], dict[str, float]]
"""From the averaged transformer and the worker's number to figures for the log."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What to train on what: the training folder, the batch of each worker, a device."""

    root: Path
    plan: Plan
    seed: int
    batch: int
    device: str = "cpu"


class Trainer:
    """Holds what a training step needs: latents by canvas, the frozen text encoders, the compiled transformer."""

    def __init__(self, course: Course, rank: int = 0) -> None:
        torch.manual_seed(course.seed)
        root, device = course.root, course.device
        self.seed, self.batch, self.device, self.rank = course.seed, course.batch, device, rank
        self.groups, _ = load_latents(root / "latents")
        self.tokenizer = load_tokenizer(root / "tokenizer")
        self.text: TextEncoders = load_text(root / "text", root / "tokenizer").to(device)
        self.module: Any = build_transformer().to(device)
        self.attention = JointAttention()

    def compile(self) -> None:
        """Compiles the blocks; one graph serves all of them, one more each canvas size."""
        torch.compiler.config.recompile_limit = 64
        for block in self.module.transformer_blocks:
            block.attn.processor = self.attention
            block.compile(dynamic=False)

    def loss(self, step: int) -> tuple[Any, dict[str, float]]:
        """Mean squared error of the velocity, noise − latents."""
        shared, rng = Random(f"shape {self.seed} {step}"), Random(f"transformer {self.seed} {step} {self.rank}")
        generator = torch.Generator(device=self.device).manual_seed(rng.getrandbits(48))
        group = shared.choices(self.groups, weights=[len(one.scenes) for one in self.groups])[0]
        latents, texts = self._pick(group, rng)
        tokens, pooled = self._encode(texts)
        noise = torch.randn(latents.shape, generator=generator, device=self.device)
        level = noise_levels(len(latents), generator, self.device)
        mixed = latents + level.view(-1, 1, 1, 1) * (noise - latents)
        self._fold_empty_tokens(latents, shared.choice(EMPTY_TOKENS))
        with torch.autocast(self.device, torch.bfloat16):
            velocity = self.module(
                mixed, encoder_hidden_states=tokens, pooled_projections=pooled, timestep=level * 1000, return_dict=False
            )[0]
        return (velocity.float() - (noise - latents)).square().mean(), {}

    def _pick(self, group: Latents, rng: Random) -> tuple[Any, list[str]]:
        """A batch of one canvas: latents [B, C, H, W] and captions."""
        chosen = [rng.randrange(len(group.scenes)) for _ in range(self.batch)]
        texts = ["" if rng.random() < UNSAID_SHARE else caption(group.scenes[index], sample_words(rng)) for index in chosen]
        return group.latents[chosen].to(self.device).float(), texts

    def _encode(self, texts: list[str]) -> tuple[Any, Any]:
        """Token features [B, T + 1, D], the last one an empty T5 token, and pooled vectors [B, D]."""
        ids = torch.tensor([encoded.ids for encoded in self.tokenizer.encode_batch(texts)], device=self.device)
        with torch.no_grad():
            tokens, pooled = self.text(ids)
        return torch.cat([tokens, torch.zeros_like(tokens[:, :1])], dim=1), pooled

    def _fold_empty_tokens(self, latents: Any, count: int) -> None:
        keys = latents.shape[-1] * latents.shape[-2] // 4 + TOKENS + 1
        self.attention.bias = torch.zeros(keys, device=self.device)
        self.attention.bias[-1] = log(count) if count else NEVER


def noise_levels(count: int, generator: Any, device: str) -> Any:
    """Shares of noise in (0, 1), [count]: logit-normal, then shifted like the sampler's."""
    level = torch.sigmoid(torch.randn(count, generator=generator, device=device))
    return SHIFT * level / (1 + (SHIFT - 1) * level)


def train_transformer(course: Course, check: Check | None = None, workers: int = 1) -> None:
    """Trains into root/transformer (checkpoint.pt, log.jsonl) from root's tokenizer, text and latents."""
    if workers == 1:
        _train(course, check, None)
        return
    weights = sum(weight.numel() for weight in build_transformer().parameters())
    run_shared(partial(_train, course, check), workers, weights)


def _train(course: Course, check: Check | None, share: Share | None) -> None:
    if share is not None:
        torch.set_num_threads(1)
    trainer = Trainer(course, share.rank if share else 0)
    fit = Fit(trainer.module, course.plan, course.root / "transformer", share)
    trainer.compile()
    fit.run(trainer.loss, None if check is None else lambda done: check(done.average, share.rank if share else 0))


def load_transformer(root: Path) -> Any:
    """The averaged transformer of a training folder."""
    module = build_transformer()
    module.load_state_dict(torch.load(root / "transformer" / "checkpoint.pt", weights_only=True)["average"])
    return module.eval()
