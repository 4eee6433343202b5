"""Measures pictures: which colours, shapes, sizes and places their pixels show.

Shares nothing with the drawing code: colours are told by hue, shapes by their overlap with outlines defined here.
"""

from __future__ import annotations

from colorsys import rgb_to_hsv
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

CONTRAST = 45
"""Least difference from the background, in one channel of 255, of a pixel that belongs to a thing."""

SPECK = 20
"""Pixels below which a region is dust and no thing."""

LEAST_OVERLAP = {"circle": 0.85, "square": 0.85, "triangle": 0.78, "ring": 0.72, "star": 0.66}
"""Intersection over union with the best outline below which a region has no shape. Rounded corners cost a star most: its
points are one or two pixels wide."""

UNEVEN = 40.0
"""Distance in RGB from a thing's median colour beyond which an inner pixel is off colour."""

MOST_SOFT = 2.6
"""Soft pixels per pixel of outline beyond which a thing is blurred; anti-aliasing alone gives about 1."""

LARGE_FROM = 21.2
"""Half extent, in pixels on a canvas with a shorter side of 128, from which a thing is large."""

HUES = (
    ("red", 0, 14),
    ("orange", 14, 41),
    ("yellow", 41, 72),
    ("green", 85, 165),
    ("blue", 200, 250),
    ("purple", 258, 315),
    ("red", 340, 361),
)
GRID = 48


@dataclass(frozen=True, kw_only=True)
class SeenThing:
    """A region of one colour. `colour`, `shape` and `size` are names, "unclear" where nothing fits; x, y in pixels."""

    colour: str
    shape: str
    size: str
    x: float
    y: float
    crisp: bool
    """Evenly coloured and with a sharp outline."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a picture shows: its background's colour and its things, largest first."""

    background: str
    things: tuple[SeenThing, ...]


def measure(picture: NDArray[np.uint8]) -> Seen:
    """Looks at a picture, [height, width, 3] RGB."""
    pixels = picture.astype(np.int16)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(border, axis=0)
    different = np.abs(pixels - ground).max(-1) > CONTRAST
    regions = [region for region in _regions(different) if region.sum() >= SPECK]
    regions.sort(key=lambda region: -int(region.sum()))
    unit = max(min(picture.shape[:2]) / 128, 0.85)
    even = np.abs(border - ground).max(-1) < UNEVEN
    background = name_colour(ground) if even.mean() > 0.9 else "unclear"
    return Seen(background=background, things=tuple(_look(pixels, region, ground, unit) for region in regions))


def name_colour(rgb: Any) -> str:
    """The name of an RGB colour (0–255), or "unclear"."""
    hue, saturation, value = rgb_to_hsv(*(float(channel) / 255 for channel in rgb))
    if value < 0.25:
        return "black"
    if saturation < 0.2 and value > 0.8:
        return "white"
    if saturation < 0.5 or value < 0.4:
        return "unclear"
    return next((name for name, low, high in HUES if low <= hue * 360 < high), "unclear")


def _look(pixels: NDArray[np.int16], region: Mask, ground: Any, unit: float) -> SeenThing:
    inner = _eroded(region)
    shade = np.median(pixels[inner if inner.any() else region], axis=0)
    region = _half_way(pixels, region, ground, shade)
    rows, columns = np.nonzero(region)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    return SeenThing(
        colour=name_colour(shade),
        shape=_shape(region),
        size="large" if extent / 2 / unit >= LARGE_FROM else "small",
        x=float(columns.mean()),
        y=float(rows.mean()),
        crisp=_is_crisp(pixels, region, ground, shade),
    )


def _half_way(pixels: NDArray[np.int16], region: Mask, ground: Any, shade: Any) -> Mask:
    """The region up to where its colour is half way to the background's, so that soft edges do not fatten it."""
    inside = _grown(region) & (_share(pixels, ground, shade) > 0.5)
    return inside if inside.any() else region


def _share(pixels: NDArray[np.int16], ground: Any, shade: Any) -> Any:
    """How far each pixel is on the way from the background's colour (0) to the thing's (1)."""
    way = (shade - ground) / max(float(np.square(shade - ground).sum()), 1.0)
    return (pixels - ground) @ way


def _shape(region: Mask) -> str:
    """The outline that overlaps the region best, once both fill the same box."""
    rows, columns = np.nonzero(region)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    if not 0.75 < width / height < 1.35:
        return "unclear"
    steps = (np.arange(GRID) + 0.5) / GRID
    picked = region[rows.min() + (steps * height).astype(int)][:, columns.min() + (steps * width).astype(int)]
    overlaps = {name: float((picked & outline).sum() / (picked | outline).sum()) for name, outline in _outlines().items()}
    best = max(overlaps, key=lambda name: overlaps[name])
    return best if overlaps[best] >= LEAST_OVERLAP[best] else "unclear"


@cache
def _outlines() -> dict[str, Mask]:
    """Each shape filling a GRID × GRID box."""
    across, down = np.meshgrid((np.arange(GRID) + 0.5) / GRID, (np.arange(GRID) + 0.5) / GRID)
    distance = np.hypot(across - 0.5, down - 0.5) * 2
    return {
        "circle": distance <= 1,
        "ring": (distance <= 1) & (distance >= 0.52),
        "square": np.ones((GRID, GRID), dtype=bool),
        "triangle": np.abs(across - 0.5) <= down / 2,
        "star": _star(across, down),
    }


def _star(across: Any, down: Any) -> Mask:
    """A five-pointed star, point up: inside where fewer than two of its five lines are overstepped."""
    lean = np.array([2 * pi * spike / 5 for spike in range(5)])
    x = (across - 0.5) * 2 * sin(2 * pi / 5)
    y = 1 - down * (1 + cos(pi / 5))
    reach = 0.335  # distance of the lines from the middle, of the star's radius; 0.31 is a pentagram
    over = sum((x * np.sin(angle) + y * np.cos(angle) > reach).astype(int) for angle in lean)
    return np.asarray(over < 2)


def _is_crisp(pixels: NDArray[np.int16], region: Mask, ground: Any, shade: Any) -> bool:
    """Whether nearly all inner pixels have the thing's colour and few pixels lie between it and the background."""
    inner = _eroded(_eroded(region))
    off = np.linalg.norm(pixels[inner] - shade, axis=-1) > UNEVEN
    if not inner.any() or off.mean() > 0.05:
        return False
    share = _share(pixels, ground, shade)[_grown(_grown(region))]
    soft = ((share > 0.2) & (share < 0.8)).sum()
    outline = (region & ~_eroded(region)).sum()
    return bool(soft <= MOST_SOFT * outline)


def _eroded(mask: Mask) -> Mask:
    return ~_grown(~mask)


def _grown(mask: Mask) -> Mask:
    """The mask and its four neighbours."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _regions(mask: Mask) -> list[Mask]:
    """The mask's connected parts (four neighbours)."""
    left, parts = mask.copy(), []
    while left.any():
        part = np.zeros_like(mask)
        part.flat[int(left.argmax())] = True
        size = 0
        while size != int(part.sum()):
            size = int(part.sum())
            for _ in range(4):
                part = _grown(part) & left
        parts.append(part)
        left &= ~part
    return parts
