"""Scores a sampler on prompts of either side of the split; knows pictures, not networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engines.builtin.evaluation.judge import judge
from engines.builtin.evaluation.measure import measure
from engines.builtin.scene import CANVASES, Scene, Words, caption, sample_scene

Sampler = Callable[[list[str], list[int], tuple[int, int]], NDArray[np.uint8]]
"""From prompts, seeds and a (width, height) canvas to pictures [B, height, width, 3]."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt, what it must show, and where."""

    scene: Scene
    words: Words
    canvas: tuple[int, int]
    seed: int

    @property
    def prompt(self) -> str:
        """The scene in words."""
        return caption(self.scene, self.words)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A picture and what of it is right."""

    question: Question
    picture: NDArray[np.uint8]
    right: dict[str, bool]


def questions(
    count: int, *, held_out: bool, objects: int | None = None, square_only: bool = False, seed: int = 0
) -> list[Question]:
    """Prompts with background; sizes said half of the time; half of them on the default canvas."""
    rng = Random(f"questions {held_out} {objects} {seed}")
    asked = []
    for index in range(count):
        scene = sample_scene(rng, objects=objects, held_out=held_out)
        words = Words(first_size=rng.random() < 0.5, second_size=rng.random() < 0.5)
        canvas = CANVASES[0] if square_only or rng.random() < 0.5 else rng.choice(CANVASES[1:])
        asked.append(Question(scene=scene, words=words, canvas=canvas, seed=seed + index))
    return asked


def answer(asked: list[Question], sampler: Sampler, batch: int = 8) -> list[Answer]:
    """Samples and judges all questions, batched by canvas, in the order asked."""
    answers: dict[int, Answer] = {}
    for canvas in sorted({one.canvas for one in asked}):
        places = [place for place, one in enumerate(asked) if one.canvas == canvas]
        for start in range(0, len(places), batch):
            part = places[start : start + batch]
            pictures = sampler([asked[i].prompt for i in part], [asked[i].seed for i in part], canvas)
            for place, picture in zip(part, pictures, strict=True):
                right = judge(asked[place].scene, asked[place].words, measure(picture))
                answers[place] = Answer(question=asked[place], picture=picture, right=right)
    return [answers[place] for place in range(len(asked))]


def shares(answers: list[Answer]) -> dict[str, float]:
    """For each aspect the share of answers that have it right, of those it applies to."""
    aspects = dict.fromkeys(aspect for one in answers for aspect in one.right)
    return {aspect: float(np.mean([one.right[aspect] for one in answers if aspect in one.right])) for aspect in aspects}


def contact_sheet(answers: list[Answer], columns: int = 8, cell: int = 164) -> Image.Image:
    """The pictures in rows; a wrong one stands on red."""
    rows = -(-len(answers) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell), (128, 128, 128))
    for place, one in enumerate(answers):
        corner = (place % columns * cell, place // columns * cell)
        if not one.right["all"]:
            sheet.paste((255, 0, 0), (*corner, corner[0] + cell - 1, corner[1] + cell - 1))
        picture = Image.fromarray(one.picture)
        sheet.paste(picture, (corner[0] + 2, corner[1] + 2))
    return sheet
