"""The cost model: from the table to what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from contracts.catalog import Catalog
from contracts.work import Ran
from streams.policy.cost import Work
from streams.policy.cost_model import CostModel
from tests.support.bad_jobs import CATALOG

USED = msgspec.toml.decode(CATALOG, type=Catalog)
KEY, MODEL = "scenes@1/text-to-image/128x128x1", "scenes@1"
ONE = Work(16384, 2, 20, 40)
Truth = Callable[[Work], float]


def steep(work: Work) -> float:
    return 0.2 + 0.015 * work.steps + 0.004 * work.row_steps


def ran(work: Work, seconds: float, **changes: Any) -> Ran:
    about = {"key": KEY, "model": MODEL, "engine": "onnx", "device": "cpu", **work._asdict()}
    return Ran(**{**about, "seconds": seconds, **changes})


def mixed(dice: Random, runs: int) -> Iterator[Work]:
    """Batches of 1 to 8 jobs of 4 to 50 steps."""
    for _ in range(runs):
        jobs = [Work(16384, 2, steps, 2 * steps) for steps in dice.choices([4, 20, 20, 50], k=dice.choice([1, 2, 4, 8]))]
        work = jobs[0]
        for job in jobs[1:]:
            work = work.plus(job)
        yield work


def taught(runs: int, *, noise: float = 0.0, wild: float = 0.0, seed: int = 1, true: Truth = steep) -> CostModel:
    dice, model = Random(seed), CostModel(USED)
    for work in mixed(dice, runs):
        factor = dice.lognormvariate(0, noise) * (20 if dice.random() < wild else 1)
        model.learn(ran(work, true(work) * factor))
    return model


def off(model: CostModel, true: Truth = steep) -> float:
    """The worst of its predictions, relative."""
    works = [Work(16384, 2 * n, steps, 2 * n * steps) for n in (1, 2, 4, 8) for steps in (4, 20, 50)]
    return max(abs(model.estimate(MODEL, KEY, work).seconds / true(work) - 1) for work in works)


def test_before_any_run_the_table_speaks() -> None:
    told = CostModel(USED).estimate(MODEL, KEY, ONE)
    cost = next(spec for spec in USED.models if spec.ref == MODEL).cost
    assert told.seconds == pytest.approx(cost.base_s + cost.per_row_step_s * 40)
    assert (told.error, told.memory_bytes) == (1.0, None)


def test_sixty_runs_teach_it_what_a_line_costs() -> None:
    assert off(CostModel(USED)) > 0.3
    assert off(taught(60)) < 0.02


def test_one_run_in_ten_that_took_twenty_times_too_long_hardly_shows() -> None:
    assert off(taught(200, noise=0.05, wild=0.1)) < off(taught(200, noise=0.05)) + 0.05 < 0.12


def test_a_first_run_that_is_wild_moves_nothing() -> None:
    model = CostModel(USED)
    before = model.estimate(MODEL, KEY, ONE).seconds
    model.learn(ran(ONE, before * 20))
    assert model.estimate(MODEL, KEY, ONE).seconds < 1.6 * before
