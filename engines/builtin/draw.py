"""Draws scenes: the training pictures, anti-aliased, with jittered places, sizes and shades."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engines.builtin.scene import Scene, Thing

SUPERSAMPLING = 4
SHADES = {
    "red": (215, 32, 38),
    "orange": (245, 132, 22),
    "yellow": (246, 222, 46),
    "green": (38, 156, 62),
    "blue": (34, 78, 206),
    "purple": (134, 48, 172),
    "black": (18, 18, 20),
    "white": (242, 242, 242),
}
SHADE_JITTER = 9
"""Largest change of a channel, of 255."""

RADII = {"small": (16.5, 18.5), "large": (25.0, 29.0)}
"""Radius in pixels on a canvas whose shorter side is 128; it scales with that side, but not below SMALLEST_UNIT."""

SMALLEST_UNIT = 0.85

JITTER = 0.08
"""Largest shift of a centre, as a share of the axis."""

MARGIN = 2.0
RING_HOLE = 0.52
STAR_WAIST = 0.5
SQUARE_SIDE = 0.9
STAR_REACH = 1.14
"""A star's points reach farther than its radius, as small ones are the hardest shape for the autoencoder."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A thing with its centre and radius in pixels and its RGB shade."""

    thing: Thing
    x: float
    y: float
    radius: float
    shade: tuple[int, int, int]


def draw(scene: Scene, width: int, height: int, rng: Random) -> NDArray[np.uint8]:
    """A picture of the scene, [height, width, 3] RGB."""
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    background = _shade(scene.background, rng)
    image = Image.new("RGB", size, background)
    pen = ImageDraw.Draw(image)
    for placed in place(scene, width, height, rng):
        _draw_one(pen, placed, background)
    return np.asarray(image.reduce(SUPERSAMPLING))


def place(scene: Scene, width: int, height: int, rng: Random) -> list[Placed]:
    """Where the things of a scene stand: a pair around 1/4 and 3/4 of its axis, one thing around the middle."""
    if scene.second is None:
        return [_placed(scene.first, (0.5, 0.5), (1.0, 1.0), width, height, rng)]
    near, far = (0.25, 0.5), (0.75, 0.5)
    share = (0.5, 1.0)
    if scene.relation in ("above", "below"):
        near, far, share = (0.5, 0.25), (0.5, 0.75), (1.0, 0.5)
    if scene.relation in ("below", "right of"):
        near, far = far, near
    pairs = ((scene.first, near), (scene.second, far))
    return [_placed(thing, centre, share, width, height, rng) for thing, centre in pairs]


def _placed(
    thing: Thing, centre: tuple[float, float], share: tuple[float, float], width: int, height: int, rng: Random
) -> Placed:
    unit = max(min(width, height) / 128, SMALLEST_UNIT)
    cell = (width * share[0], height * share[1])
    reach = STAR_REACH if thing.shape == "star" else 1.0
    radius = min(rng.uniform(*RADII[thing.size]) * unit, (min(cell) / 2 - MARGIN) / reach)
    x, y = (
        _jittered(middle * side, min(JITTER * side, room / 2 - reach * radius - MARGIN), rng)
        for middle, side, room in zip(centre, (width, height), cell, strict=True)
    )
    return Placed(thing=thing, x=x, y=y, radius=radius, shade=_shade(thing.colour, rng))


def _jittered(middle: float, reach: float, rng: Random) -> float:
    return middle + rng.uniform(-1, 1) * max(reach, 0.0)


def _shade(colour: str, rng: Random) -> tuple[int, int, int]:
    light = rng.uniform(-SHADE_JITTER, SHADE_JITTER)
    red, green, blue = (round(min(max(channel + light + rng.uniform(-3, 3), 0), 255)) for channel in SHADES[colour])
    return red, green, blue


def _draw_one(pen: ImageDraw.ImageDraw, placed: Placed, background: tuple[int, int, int]) -> None:
    x, y, radius = (value * SUPERSAMPLING for value in (placed.x, placed.y, placed.radius))
    match placed.thing.shape:
        case "circle":
            pen.ellipse(_box(x, y, radius), fill=placed.shade)
        case "ring":
            pen.ellipse(_box(x, y, radius), fill=placed.shade)
            pen.ellipse(_box(x, y, radius * RING_HOLE), fill=background)
        case "square":
            pen.rectangle(_box(x, y, radius * SQUARE_SIDE), fill=placed.shade)
        case "triangle":
            pen.polygon(_spokes(x, y + radius * 0.2, [radius * 1.1] * 3), fill=placed.shade)
        case "star":
            pen.polygon(_spokes(x, y, [radius * STAR_REACH, radius * STAR_WAIST] * 5), fill=placed.shade)


def _box(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def _spokes(x: float, y: float, radii: list[float]) -> list[tuple[float, float]]:
    """Corners at equal angles from the top, clockwise, at the given distances from (x, y)."""
    turns = [2 * pi * index / len(radii) for index in range(len(radii))]
    return [(x + radius * sin(turn), y - radius * cos(turn)) for radius, turn in zip(radii, turns, strict=True)]
