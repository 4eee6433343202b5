"""Gives the text encoders a head start: what a caption says must be linearly decodable from what they return."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from engines.builtin.models import TEXT_WIDTHS, build_text_encoder
from engines.builtin.scene import COLOURS, RELATIONS, SHAPES, SIZES, Scene, Words, caption, sample_scene, sample_words
from engines.builtin.tokenizer import load_tokenizer, special_ids
from engines.builtin.training.fit import Fit, Plan

BATCH = 128
STRANGE_WORD_SHARE = 0.15
"""Captions with a word from outside the grammar, so that such words disturb little."""

UNSAID = "unsaid"
SLOTS: dict[str, tuple[str, ...]] = {
    "colour": COLOURS,
    "shape": SHAPES,
    "size": (*SIZES, UNSAID),
    "relation": (*RELATIONS, UNSAID),
    "other colour": (*COLOURS, UNSAID),
    "other shape": (*SHAPES, UNSAID),
    "other size": (*SIZES, UNSAID),
    "background": (*COLOURS, UNSAID),
}


class TextEncoders(nn.Module):
    """Both text encoders, read as the pipeline reads them, and the head that checks what they say."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        size, specials = tokenizer.get_vocab_size(), special_ids(tokenizer)
        self.encoders = nn.ModuleList(build_text_encoder(index, size, specials) for index in range(len(TEXT_WIDTHS)))
        width = sum(TEXT_WIDTHS)
        self.heads = nn.ModuleList(nn.Linear(width, sum(map(len, SLOTS.values()))) for _ in range(2))

    def forward(self, ids: Any) -> tuple[Any, Any]:
        """From ids [B, T] to token features [B, T, D] (last layer but one) and the pooled vector [B, D]."""
        said = [encoder(ids, output_hidden_states=True) for encoder in self.encoders]
        tokens = torch.cat([one.hidden_states[-2] for one in said], dim=-1)
        return tokens, torch.cat([one.text_embeds for one in said], dim=-1)

    def guesses(self, ids: Any) -> tuple[Any, Any]:
        """Scores over all slots, from the first end token's features and from the pooled vector."""
        tokens, pooled = self(ids)
        end = (ids == ids[0, -1]).int().argmax(-1)
        return self.heads[0](tokens[torch.arange(len(ids)), end]), self.heads[1](pooled)


def train_text(folder: Path, tokenizer_folder: Path, steps: int, seed: int, device: str = "cpu") -> None:
    """Trains into `folder` (checkpoint.pt, log.jsonl) on captions of the training side only."""
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(tokenizer_folder)
    module = TextEncoders(tokenizer).to(device)

    def loss(step: int) -> tuple[Any, dict[str, float]]:
        rng = Random(f"text {seed} {step}")
        ids, labels = caption_batch(tokenizer, rng, BATCH, held_out=False)
        return _loss(module.guesses(ids.to(device)), labels.to(device)), {}

    def check(fit: Fit) -> dict[str, float]:
        ids, labels = caption_batch(tokenizer, Random("text check"), 512, held_out=True)
        return accuracies(fit.average, ids.to(device), labels.to(device))

    fit = Fit(module, Plan(steps=steps, rate=2e-3, warm_up=50, averaging=0.99, clip=5.0), folder)
    fit.run(loss, check)


def load_text(folder: Path, tokenizer_folder: Path) -> TextEncoders:
    """The averaged encoders of a training folder."""
    module = TextEncoders(load_tokenizer(tokenizer_folder))
    module.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["average"])
    return module.eval()


def caption_batch(tokenizer: Any, rng: Random, count: int, *, held_out: bool) -> tuple[Any, Any]:
    """Token ids [count, T] and, for each slot, the index of what the caption says [count, slots]."""
    texts, labels = [], []
    for _ in range(count):
        scene, words = sample_scene(rng, held_out=held_out), sample_words(rng)
        texts.append(_with_strange_word(caption(scene, words), rng))
        labels.append(_labels(scene, words))
    ids = [encoded.ids for encoded in tokenizer.encode_batch(texts)]
    return torch.tensor(ids), torch.tensor(labels)


def accuracies(module: TextEncoders, ids: Any, labels: Any) -> dict[str, float]:
    """Share of captions whose slot is read right from the pooled vector, for the worst slot and for all slots."""
    with torch.no_grad():
        _, pooled = module.guesses(ids)
    right = [scores.argmax(-1) == labels[:, index] for index, scores in enumerate(pooled.split(_widths(), dim=-1))]
    every = torch.stack(right).all(0).float().mean()
    return {"worst_slot": min(float(one.float().mean()) for one in right), "all_slots": float(every)}


def _loss(guesses: tuple[Any, Any], labels: Any) -> Any:
    total = torch.zeros((), device=labels.device)
    for scores in guesses:
        for index, slot in enumerate(scores.split(_widths(), dim=-1)):
            total = total + cross_entropy(slot, labels[:, index])
    return total / (2 * len(SLOTS))


def _widths() -> list[int]:
    return [len(choices) for choices in SLOTS.values()]


def _labels(scene: Scene, words: Words) -> list[int]:
    second = scene.second
    said = {
        "colour": scene.first.colour,
        "shape": scene.first.shape,
        "size": scene.first.size if words.first_size else UNSAID,
        "relation": scene.relation or UNSAID,
        "other colour": second.colour if second else UNSAID,
        "other shape": second.shape if second else UNSAID,
        "other size": second.size if second and words.second_size else UNSAID,
        "background": scene.background if words.background else UNSAID,
    }
    return [SLOTS[slot].index(value) for slot, value in said.items()]


def _with_strange_word(text: str, rng: Random) -> str:
    if rng.random() > STRANGE_WORD_SHARE:
        return text
    words = text.split()
    strange = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz,.", k=rng.randint(1, 3)))
    words.insert(rng.randint(0, len(words)), strange)
    return " ".join(words)
