"""What a model can do, and the check of a request against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.errors import Unsupported
from engines.pictures import look
from engines.request import IMAGE_TO_IMAGE, TEXT_TO_IMAGE, Request


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of a model; a folder's darkroom.json narrows them."""

    tasks: tuple[str, ...] = (TEXT_TO_IMAGE, IMAGE_TO_IMAGE)
    multiple: int = 8
    """Width and height come in multiples of this many pixels."""
    min_side: int = 16
    """Pixels."""
    max_side: int = 2048
    """Pixels."""
    max_pixels: int = 2048 * 2048
    """Of one picture."""
    max_steps: int = 200
    max_guidance: float = 50.0
    max_count: int = 16
    max_image_pixels: int = 4096 * 4096
    """Of an input image, before it is scaled."""


def check(limits: Limits, request: Request) -> None:
    """Raise Unsupported for the first field that is out of bounds."""
    try:
        _check_kind(limits, request)
        _check_size(limits, request)
        _check_numbers(limits, request)
        _check_image(limits, request)
    except Unsupported as error:
        raise type(error)(error.field, error.message, request.id) from None


def _check_kind(limits: Limits, request: Request) -> None:
    if request.task not in limits.tasks:
        raise Unsupported("task", f"this model does {', '.join(limits.tasks)}")
    if request.frames != 1:
        raise Unsupported("frames", "this model makes single pictures")


def _check_size(limits: Limits, request: Request) -> None:
    for field, side in (("width", request.width), ("height", request.height)):
        if not limits.min_side <= side <= limits.max_side:
            raise Unsupported(field, f"must be {limits.min_side} to {limits.max_side} pixels")
        if side % limits.multiple:
            raise Unsupported(field, f"must be a multiple of {limits.multiple} pixels")
    if request.width * request.height > limits.max_pixels:
        raise Unsupported("width", f"width × height must be at most {limits.max_pixels} pixels")


def _check_numbers(limits: Limits, request: Request) -> None:
    if not 1 <= request.steps <= limits.max_steps:
        raise Unsupported("steps", f"must be 1 to {limits.max_steps}")
    if not math.isfinite(request.guidance) or not 0 <= request.guidance <= limits.max_guidance:
        raise Unsupported("guidance", f"must be 0 to {limits.max_guidance:g}")
    if not 1 <= request.count <= limits.max_count:
        raise Unsupported("count", f"must be 1 to {limits.max_count}")
    if not 0 <= request.seed < 2**63:
        raise Unsupported("seed", "must be 0 to 2**63 - 1")
    if not 0 < request.strength <= 1:
        raise Unsupported("strength", "must be above 0 and at most 1")


def _check_image(limits: Limits, request: Request) -> None:
    if request.task != IMAGE_TO_IMAGE:
        if request.image is not None:
            raise Unsupported("image", f"has no meaning for {request.task}")
    elif request.image is None:
        raise Unsupported("image", "is needed for image-to-image")
    else:
        look(request.image, max_pixels=limits.max_image_pixels)
