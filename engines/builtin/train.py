"""Trains the built-in model, stage by stage: tokenizer, vae, text, latents, decoder, transformer.

python -m engines.builtin.train                      # all stages, resuming what is in .darkroom-train/
python -m engines.builtin.train --stages transformer --steps 9000 --batch 64
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engines.builtin.evaluation.score import answer, contact_sheet, questions, shares
from engines.builtin.tokenizer import build_tokenizer, load_tokenizer
from engines.builtin.training.decoder import load_tuned_vae, train_decoder
from engines.builtin.training.fit import Plan
from engines.builtin.training.latents import encode_scenes, load_latents
from engines.builtin.training.sample import Networks, sample
from engines.builtin.training.text import load_text, train_text
from engines.builtin.training.transformer import Course, train_transformer
from engines.builtin.training.vae import train_vae

VAE_STEPS = 3900
TEXT_STEPS = 300
DECODER_STEPS = 1000
SCENES = 14_000
CHECKED = 24
"""Prompts of either side of the split that a check of the transformer samples."""


def stages(options: argparse.Namespace) -> dict[str, Callable[[], None]]:
    """The stages in order, each a call that does it."""
    root, seed, device = options.work, options.seed, options.device
    plan = Plan(
        steps=options.steps,
        rate=options.rate,
        warm_up=options.warm_up,
        decay_from=options.decay_from,
        averaging=0.998,
        average_every=4,
        orthogonal="transformer_blocks",
        save_every=options.save_every,
    )
    course = Course(root=root, plan=plan, seed=seed, batch=options.batch, device=device)
    return {
        "tokenizer": lambda: build_tokenizer(root / "tokenizer"),
        "vae": lambda: train_vae(root / "vae", VAE_STEPS, seed, device),
        "text": lambda: train_text(root / "text", root / "tokenizer", TEXT_STEPS, seed, device),
        "latents": lambda: _encode_once(root, options.scenes, seed, device, options.workers),
        "decoder": lambda: train_decoder(root, DECODER_STEPS, seed, device),
        "transformer": lambda: train_transformer(course, partial(check, root, device), options.workers),
    }


SIDES = (("held-out", True), ("training", False))


def check(root: Path, device: str, transformer: Any, rank: int) -> dict[str, float]:
    """Samples a few prompts of the worker's side of the split, leaves a contact sheet, returns the shares right."""
    _, scale = load_latents(root / "latents", scenes=False)
    networks = Networks(
        tokenizer=load_tokenizer(root / "tokenizer"),
        text=load_text(root / "text", root / "tokenizer"),
        transformer=transformer.cpu(),
        vae=load_tuned_vae(root),
        scale=scale,
    )
    side, held_out = SIDES[rank % 2]
    answers = answer(questions(CHECKED, held_out=held_out), lambda *asked: sample(networks, *asked))
    contact_sheet(answers).save(root / "transformer" / f"{side}.png")
    transformer.to(device)
    return {f"{side} {aspect}": share for aspect, share in shares(answers).items()}


def _encode_once(root: Path, scenes: int, seed: int, device: str, workers: int) -> None:
    if not (root / "latents" / "latents.pt").exists():
        encode_scenes(root / "latents", root / "vae", scenes, seed, device, workers)


def parse() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".darkroom-train"), help="checkpoints, latents, logs")
    parser.add_argument("--stages", nargs="+", default=["tokenizer", "vae", "text", "latents", "decoder", "transformer"])
    parser.add_argument("--steps", type=int, default=9000, help="of the transformer; may change when resuming")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--decay-from", type=float, default=0.4, help="share of the steps after which the rate falls")
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--save-every", type=int, default=250, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each, a batch each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def main() -> None:
    """Runs the stages asked for."""
    options = parse()
    torch.set_num_threads(options.threads)
    every = stages(options)
    for name in options.stages:
        print("stage", name, flush=True)  # noqa: T201 (progress)
        every[name]()


if __name__ == "__main__":
    main()
