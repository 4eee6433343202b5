"""The pixel evaluator tells what drawn scenes show, and rejects pictures that show something else."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engines.builtin.draw import draw
from engines.builtin.evaluation.judge import judge
from engines.builtin.evaluation.measure import measure
from engines.builtin.scene import CANVASES, COLOURS, RELATIONS, SHAPES, SIZES, Scene, Thing, Words, sample_scene

Picture = NDArray[np.uint8]
RED_CIRCLE = Thing(colour="red", shape="circle", size="large")
BLUE_SQUARE = Thing(colour="blue", shape="square", size="small")
PAIR = Scene(first=RED_CIRCLE, relation="above", second=BLUE_SQUARE, background="yellow")


def drawn(scene: Scene, canvas: tuple[int, int] = (128, 128), seed: int = 0) -> Picture:
    return draw(scene, *canvas, Random(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("size", SIZES)
def test_every_thing_is_recognised(colour: str, shape: str, size: str) -> None:
    background = "white" if colour == "black" else "black"
    scene = Scene(first=Thing(colour=colour, shape=shape, size=size), background=background)
    right = judge(scene, Words(), measure(drawn(scene)))
    assert all(right.values()), right


@pytest.mark.parametrize("canvas", CANVASES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_every_relation_is_recognised_on_every_canvas(relation: str, canvas: tuple[int, int]) -> None:
    scene = Scene(first=RED_CIRCLE, relation=relation, second=BLUE_SQUARE, background="yellow")
    right = judge(scene, Words(), measure(drawn(scene, canvas)))
    assert all(right.values()), right


def test_random_scenes_are_recognised() -> None:
    rng = Random(5)
    for _ in range(100):
        scene = sample_scene(rng)
        right = judge(scene, Words(), measure(draw(scene, *rng.choice(CANVASES), rng)))
        assert right["all"], (scene, right)


@pytest.mark.parametrize(
    ("aspect", "scene"),
    [
        ("colours", Scene(first=Thing(colour="green", shape="circle", size="large"), relation="above",
                          second=BLUE_SQUARE, background="yellow")),
        ("shapes", Scene(first=Thing(colour="red", shape="star", size="large"), relation="above",
                         second=BLUE_SQUARE, background="yellow")),
        ("sizes", Scene(first=Thing(colour="red", shape="circle", size="small"), relation="above",
                        second=BLUE_SQUARE, background="yellow")),
        ("relation", Scene(first=RED_CIRCLE, relation="below", second=BLUE_SQUARE, background="yellow")),
        ("relation", Scene(first=RED_CIRCLE, relation="left of", second=BLUE_SQUARE, background="yellow")),
        ("background", Scene(first=RED_CIRCLE, relation="above", second=BLUE_SQUARE, background="white")),
        ("count", Scene(first=RED_CIRCLE, background="yellow")),
        ("binding", Scene(first=Thing(colour="blue", shape="circle", size="large"), relation="below",
                          second=Thing(colour="red", shape="square", size="small"), background="yellow")),
    ],
)  # fmt: skip
def test_a_picture_of_something_else_is_wrong_in_that_aspect(aspect: str, scene: Scene) -> None:
    right = judge(scene, Words(), measure(drawn(PAIR)))
    assert not right[aspect]
    assert not right["all"]


def test_an_unsaid_size_may_be_any() -> None:
    scene = Scene(first=Thing(colour="red", shape="circle", size="small"), relation="above", second=BLUE_SQUARE,
                  background="yellow")  # fmt: skip
    assert judge(scene, Words(first_size=False), measure(drawn(PAIR)))["all"]


def test_a_blurred_picture_is_not_crisp() -> None:
    blurred = Image.fromarray(drawn(PAIR)).filter(ImageFilter.GaussianBlur(4))
    assert not judge(PAIR, Words(), measure(np.asarray(blurred)))["all"]


def test_a_collapsed_picture_shows_no_things() -> None:
    flat = np.full((128, 128, 3), 128, dtype=np.uint8)
    seen = measure(flat)
    assert seen.things == ()
    assert seen.background == "unclear"
    assert not judge(PAIR, Words(), seen)["all"]


def test_noise_is_rejected() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert not any(judge(PAIR, Words(), measure(noise))[aspect] for aspect in ("count", "background", "all"))


def test_a_blotchy_thing_is_not_crisp() -> None:
    picture = drawn(Scene(first=RED_CIRCLE, background="yellow")).copy()
    rows, columns = np.nonzero(picture[..., 1] < 60)
    picture[rows[::5], columns[::5]] = (120, 80, 90)
    assert not all(one.crisp for one in measure(picture).things)
