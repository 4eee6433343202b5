"""Who is measured: our engines, and diffusers' own pipeline on the same folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from engines import Engine, Request
from engines.folder import open_folder
from engines.registry import load

Draw = Callable[[int], object]
"""Draws this many pictures at once."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What each picture asks."""

    model: str
    """A folder; empty for the built-in model."""
    size: int
    """Pixels, each side."""
    steps: int
    guidance: float
    threads: int
    """Processor threads each contender may use; 0 leaves it its own choice."""


def contenders(work: Work) -> dict[str, Draw]:
    """By name, those that are installed."""
    found = {"onnx": _engine(load("onnx", work.model, {"threads": work.threads}), work)}
    if find_spec("torch") and find_spec("diffusers"):
        found["diffusers engine"] = _engine(load("diffusers", work.model, {"threads": work.threads}), work)
        found["diffusers pipe"] = _pipeline(work)
    return found


def _engine(engine: Engine, work: Work) -> Draw:
    def draw(count: int) -> None:
        engine.admit([_request(work, number) for number in range(count)])
        while engine.active:
            engine.step()

    return draw


def _request(work: Work, number: int) -> Request:
    return Request(
        id=str(number),
        task="text-to-image",
        prompt=_prompt(number),
        width=work.size,
        height=work.size,
        steps=work.steps,
        guidance=work.guidance,
        seed=number,
    )


def _prompt(number: int) -> str:
    return f"a {('red', 'blue', 'green')[number % 3]} circle"


def _pipeline(work: Work) -> Draw:
    import diffusers
    import torch

    folder = open_folder(work.model)
    absent = {part: None for part, (library, _) in folder.parts.items() if library is None}
    kind = getattr(diffusers, folder.pipeline)
    pipeline: Any = kind.from_pretrained(
        folder.path, local_files_only=True, use_safetensors=True, torch_dtype=torch.float32, **absent
    )
    pipeline.set_progress_bar_config(disable=True)
    own = {"max_sequence_length": folder.empty_t5_tokens} if "3" in folder.pipeline else {}

    def draw(count: int) -> object:
        prompts = [_prompt(number) for number in range(count)]
        size = {"width": work.size, "height": work.size}
        return pipeline(prompts, num_inference_steps=work.steps, guidance_scale=work.guidance, output_type="np", **size, **own)

    return draw
