"""Pay for first runs (kernels chosen, memory reserved) before a request has to."""

from __future__ import annotations

from collections.abc import Sequence

from engines.base import Engine, Shape
from engines.errors import EngineBroken
from engines.request import TEXT_TO_IMAGE, Request

STEPS = 2
"""Enough to run the step that has a step before it."""


def warm_up(engine: Engine, shapes: Sequence[Shape]) -> None:
    """Run pictures of each shape with guidance, which is the larger forward pass."""
    if engine.active:
        raise EngineBroken("warm-up needs an engine with nothing in it")
    for shape in shapes:
        engine.admit([_request(shape, i) for i in range(shape.batch)])
        while engine.active:
            for failure in engine.step().failed:
                raise failure.error


def _request(shape: Shape, index: int) -> Request:
    return Request(
        id=f"warm-up-{index}",
        task=TEXT_TO_IMAGE,
        prompt="",
        width=shape.width,
        height=shape.height,
        steps=STEPS,
        guidance=2.0,
        seed=index,
        frames=shape.frames,
    )
