"""A request's pictures depend on the request, and on nothing that runs beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engines import Engine
from tests.contract.engines.conftest import Case
from tests.support.engine_runs import ask, difference, finished_in, run, steps_until_done
from tests.support.images import png

MIXED: list[dict[str, Any]] = [
    {"seed": 1, "steps": 4, "guidance": 3.0},
    {"seed": 2, "steps": 7, "guidance": 1.0},
    {"seed": 3, "steps": 2, "guidance": 6.0, "prompt": "blue"},
    {"seed": 4, "steps": 5, "guidance": 2.0, "negative_prompt": "a square"},
    {"seed": 5, "steps": 3, "guidance": 0.0},
]


@pytest.fixture
def alone(case: Case, engine: Engine) -> list[Any]:
    """Each of MIXED, run on its own."""
    return [run(engine, [ask(size=case.size, **fields)])["one"].images for fields in MIXED]


def test_the_same_seed_gives_the_same_picture(case: Case, engine: Engine) -> None:
    first, second = (run(engine, [ask(size=case.size)])["one"].images for _ in range(2))
    assert difference(first, second) == 0


def test_another_seed_gives_another_picture(case: Case, engine: Engine) -> None:
    first, second = (run(engine, [ask(size=case.size, seed=seed)])["one"].images for seed in (1, 2))
    assert difference(first, second) > 0


@pytest.mark.parametrize("field", [{"prompt": "blue"}, {"negative_prompt": "circle"}, {"guidance": 1.0}, {"steps": 5}])
def test_what_is_asked_changes_the_picture(case: Case, drawing: Engine, field: dict[str, Any]) -> None:
    plain = run(drawing, [ask(size=case.size)])["one"].images
    other = run(drawing, [ask(size=case.size, **field)])["one"].images
    assert difference(plain, other) > 0


def test_mixed_steps_and_guidance_share_forwards_and_change_nothing(case: Case, engine: Engine, alone: list[Any]) -> None:
    engine.admit([ask(str(i), case.size, **fields) for i, fields in enumerate(MIXED)])
    reports = steps_until_done(engine)
    assert len(reports) == 7, "the longest decides, not the sum"
    together = finished_in(reports)
    for i, images in enumerate(alone):
        assert difference(together[str(i)].images, images) <= case.tolerance, MIXED[i]


def test_one_that_joins_midway_changes_no_neighbour(case: Case, engine: Engine, alone: list[Any]) -> None:
    engine.admit([ask("0", case.size, **MIXED[0]), ask("1", case.size, **MIXED[1])])
    reports = [engine.step(), engine.step()]
    engine.admit([ask("3", case.size, **MIXED[3])])
    reports += steps_until_done(engine)
    together = finished_in(reports)
    assert [progress.done for report in reports for progress in report.progress if progress.request_id == "3"] == [1, 2, 3, 4, 5]
    for i in (0, 1, 3):
        assert difference(together[str(i)].images, alone[i]) <= case.tolerance


def test_one_that_is_cancelled_midway_changes_no_neighbour(case: Case, engine: Engine, alone: list[Any]) -> None:
    engine.admit([ask(str(i), case.size, **MIXED[i]) for i in (0, 1, 3)])
    engine.step()
    assert engine.cancel("0")
    assert not engine.cancel("0"), "it is gone"
    reports = steps_until_done(engine)
    together = finished_in(reports)
    assert set(together) == {"1", "3"}
    assert all(progress.request_id != "0" for report in reports for progress in report.progress)
    for i in (1, 3):
        assert difference(together[str(i)].images, alone[i]) <= case.tolerance


def test_several_pictures_are_those_of_the_next_seeds(case: Case, engine: Engine) -> None:
    several = run(engine, [ask(size=case.size, seed=20, count=3), ask("beside", case.size)])["one"]
    assert several.seeds == [20, 21, 22]
    singles = [run(engine, [ask(size=case.size, seed=seed)])["one"].images[0] for seed in (20, 21, 22)]
    assert difference(several.images, singles) <= case.tolerance


@pytest.mark.parametrize(("wide", "high"), [(False, False), (True, False), (False, True)])
def test_pictures_have_the_size_asked_for(case: Case, engine: Engine, wide: bool, high: bool) -> None:
    width, height = (case.size if large else case.small for large in (wide, high))
    (picture,) = run(engine, [ask(width=width, height=height)])["one"].images
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


def test_an_image_is_kept_at_low_strength_and_forgotten_at_full(case: Case, drawing: Engine) -> None:
    starts = [png(case.size, colour) for colour in ((200, 30, 30), (30, 60, 200))]
    apart = []
    for strength in (0.1, 1.0):
        asked = [
            ask(size=case.size, task="image-to-image", image=start, strength=strength, steps=10, guidance=1.0) for start in starts
        ]
        red, blue = (run(drawing, [request])["one"].images for request in asked)
        apart.append(difference(red, blue))
    assert apart[0] > 0
    assert apart[1] == 0, "at full strength nothing of the image is left"


def test_images_and_their_neighbours_do_not_mix(case: Case, drawing: Engine) -> None:
    fields: dict[str, Any] = {"task": "image-to-image", "steps": 6}
    asked = [
        ask("0", case.size, image=png(case.size, (200, 30, 30)), strength=0.5, **fields),
        ask("1", case.size, image=png(case.size * 2, (10, 200, 30)), strength=0.9, **fields),
    ]
    singles = [run(drawing, [request])[request.id].images for request in asked]
    together = run(drawing, asked)
    assert difference(singles[0], singles[1]) > 0
    for i, images in enumerate(singles):
        assert difference(together[str(i)].images, images) <= case.tolerance
