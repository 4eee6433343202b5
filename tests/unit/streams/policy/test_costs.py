"""The cost model: from the table to what was measured. Every check is shown to fail on a model with a bug."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import inf, isfinite, nan
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts.work import LearnedCost, Ran
from streams.policy import cost_fit, cost_key, cost_memory, cost_model
from streams.policy.cost import Work, batch_gain
from streams.policy.cost_fit import Line
from streams.policy.cost_model import CostModel
from tests.support.bad_jobs import USED

KEY, MODEL = "scenes@1/text-to-image/128x128x1", "scenes@1"
MODEL_BYTES = 5_000_000_000
ONE = Work(16384, 2, 20, 40)
STEEP = Line(0.2, 0.015, 0.004)
quick = settings(max_examples=25, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
"""Without shrinking: planted bugs are known already, and a run of hundreds shrinks for minutes."""


def ran(work: Work, seconds: float, **changes: Any) -> Ran:
    about = {"key": KEY, "model": MODEL, "engine": "onnx", "device": "cpu", **work._asdict()}
    return Ran(**{**about, "seconds": seconds, **changes})


def job(steps: int) -> Work:
    return Work(16384, 2, steps, 2 * steps)


def mixed(dice: Random, runs: int) -> Iterator[Work]:
    """Batches of 1 to 8 jobs of 4 to 50 steps."""
    for _ in range(runs):
        first, *others = dice.choices([4, 20, 20, 50], k=dice.choice([1, 2, 4, 8]))
        work = job(first)
        for steps in others:
            work = work.plus(job(steps))
        yield work


def teach(model: CostModel, true: Line, runs: int, *, noise: float = 0.0, wild: float = 0.0, seed: int = 1) -> CostModel:
    """Runs as they may be measured; `wild`: share of them that take twenty times too long."""
    sizes, luck = Random(seed), Random(seed + 1)
    for work in mixed(sizes, runs):
        factor = luck.lognormvariate(0, noise) * (20 if luck.random() < wild else 1)
        model.learn(ran(work, true.seconds(work) * factor))
    return model


WORKS = [Work(16384, 2 * n, steps, 2 * n * steps) for n in (1, 2, 4, 8) for steps in (4, 20, 50)]


def told(model: CostModel) -> list[float]:
    return [model.estimate(MODEL, KEY, work).seconds for work in WORKS]


def off(model: CostModel, true: Line) -> float:
    """The worst of its predictions, relative."""
    return max(abs(seconds / true.seconds(work) - 1) for seconds, work in zip(told(model), WORKS, strict=True))


lines = st.builds(Line, st.floats(0.001, 1.0), st.floats(0.0, 0.1), st.floats(0.0001, 0.02), st.just(value=False))
seconds = st.one_of(st.floats(), st.floats(1e-5, 1e4), st.sampled_from([0.0, -1.0, nan, inf, -inf, 1e300, 5e-324]))
works = st.builds(lambda rows, steps, jobs: Work(16384, rows, steps, rows * steps).times(jobs), *[st.integers(1, 64)] * 3)


@quick
@given(st.lists(st.tuples(works, seconds), max_size=40), works, works)
def predictions_are_positive_and_grow(runs: list[tuple[Work, float]], less: Work, more: Work) -> None:
    model = CostModel(USED)
    for work, took in runs:
        model.learn(ran(work, took))
    small = model.estimate(MODEL, KEY, less)
    large = model.estimate(MODEL, KEY, less.plus(more))
    assert 0 < small.seconds <= large.seconds * (1 + 1e-9) < inf
    assert isfinite(small.error)
    assert small.error > 0


@settings(quick, max_examples=10)
@given(lines, st.integers(0, 1000))
def a_true_line_is_learned_in_sixty_runs(true: Line, seed: int) -> None:
    assert off(teach(CostModel(USED), true, 60, seed=seed), true) < 0.08


@settings(quick, max_examples=6)
@given(lines, st.integers(0, 1000))
def one_wild_run_in_ten_moves_no_prediction_by_a_sixth(true: Line, seed: int) -> None:
    tame = teach(CostModel(USED), true, 150, noise=0.03, seed=seed)
    wild = teach(CostModel(USED), true, 150, noise=0.03, wild=0.1, seed=seed)
    assert all(abs(a / b - 1) < 1 / 6 for a, b in zip(told(wild), told(tame), strict=True))


def a_first_run_that_is_wild_moves_nothing() -> None:
    model = CostModel(USED)
    before = model.estimate(MODEL, KEY, ONE).seconds
    model.learn(ran(ONE, before * 20))
    assert model.estimate(MODEL, KEY, ONE).seconds < 1.1 * before
    for _ in range(3):
        model.learn(ran(ONE, before * 20))
    assert model.estimate(MODEL, KEY, ONE).seconds == pytest.approx(20 * before, rel=0.1), "by now it is no accident"


@settings(quick, max_examples=4)
@given(lines, st.floats(0.05, 0.4), st.integers(0, 1000))
def four_of_five_runs_end_within_the_interval(true: Line, noise: float, seed: int) -> None:
    model = teach(CostModel(USED), true, 100, noise=noise, seed=seed)
    dice, held = Random(seed + 2), []
    for work in mixed(dice, 600):
        checked = model.learn(ran(work, true.seconds(work) * dice.lognormvariate(0, noise)))
        assert checked is not None
        held.append(checked.within)
    assert 0.74 < sum(held) / len(held) < 0.86


def a_device_that_becomes_slower_is_believed() -> None:
    model = teach(CostModel(USED), STEEP, 300, noise=0.02)
    slower = STEEP.scaled(2)
    assert off(teach(model, slower, 120, noise=0.02), slower) < 0.1


def the_first_run_after_a_load_is_no_measure_of_others() -> None:
    model = teach(CostModel(USED), STEEP, 40)
    before = told(model)
    assert model.load_s(MODEL) == 1.0, "the catalogue's"
    for load_s in (4.0, 5.0, 90.0):
        assert model.learn(ran(ONE, STEEP.seconds(ONE) + 1.0, load_s=load_s, cold=True)) is None
    assert model.learn(ran(ONE, 30.0, cold=True)) is None
    assert told(model) == before
    assert model.load_s(MODEL) == pytest.approx(6.0, abs=0.1), "the middle one, with what the run took longer for it"


def a_new_size_is_as_much_slower_as_the_others_were() -> None:
    model, table = CostModel(USED), CostModel(USED)
    for _ in range(10):
        model.learn(ran(ONE, table.estimate(MODEL, KEY, ONE).seconds * 7))
    larger, other = Work(65536, 2, 20, 40), "scenes@1/text-to-image/256x256x1"
    by_table = table.estimate(MODEL, other, larger).seconds
    assert model.estimate(MODEL, other, larger).seconds == pytest.approx(7 * by_table)
    assert model.estimate(MODEL, other, larger, "h200").seconds == by_table, "another device class says nothing"


def what_was_learned_is_restored_elsewhere() -> None:
    model = teach(CostModel(USED), STEEP, 150, noise=0.1)
    model.learn(ran(ONE, 1.0, load_s=3.0))
    (learned,) = model.changed(all=True)
    heir = CostModel(USED)
    heir.restore(msgspec.json.decode(msgspec.json.encode(learned), type=LearnedCost))
    assert told(heir) == pytest.approx(told(model), rel=0.02)
    assert heir.load_s(MODEL) == model.load_s(MODEL)
    assert heir.estimate(MODEL, KEY, ONE).error == pytest.approx(model.estimate(MODEL, KEY, ONE).error, rel=0.3)
    teach(heir, STEEP, 10)
    (newer,) = heir.changed(all=True)
    assert newer.runs == learned.runs + 10
    heir.restore(learned)
    assert heir.changed(all=True) == []
    assert heir.measured(MODEL, KEY) == newer.judged, "an older record is no news"


def a_new_key_is_written_often_and_an_old_one_seldom() -> None:
    model, written = CostModel(USED), 0
    for done in range(1, 401):
        teach(model, STEEP, 1, seed=done)
        written += len(model.changed(all=False))
        if done == 10:
            assert written == 10
    assert written < 60
    teach(model, STEEP, 1)
    assert len(model.changed(all=True)) == 1


def whether_batching_pays_is_learned() -> None:
    flat, steep = Line(1.0, 0.05, 0.0), Line(0.0, 0.0, 0.02)
    gains = [batch_gain(teach(CostModel(USED), true, 80, noise=0.05), MODEL, KEY, ONE, 8) for true in (flat, steep)]
    assert gains == pytest.approx([8.0, 1.0], rel=0.1)


def alike(dice: Random, runs: int, steps: Sequence[int]) -> Iterator[Work]:
    """Batches of any number of jobs up to 8, all of as many steps."""
    return (job(dice.choice(steps)).times(dice.randint(1, 8)) for _ in range(runs))


@quick
@given(true=lines, seed=st.integers(0, 99))
def rows_that_an_engine_pads_to_a_power_of_two_cost_what_the_padded_ones_do(true: Line, seed: int) -> None:
    model, luck, padding = (
        CostModel(USED),
        Random(seed),
        true._replace(step_s=0.0, row_step_s=true.row_step_s + 0.01, padded=True),
    )
    for work in alike(Random(seed), 80, [20]):
        model.learn(ran(work, padding.seconds(work) * luck.lognormvariate(0, 0.03)))
    works = [job(20).times(jobs) for jobs in range(1, 9)]
    assert max(abs(model.estimate(MODEL, KEY, work).seconds / padding.seconds(work) - 1) for work in works) <= 0.1


@quick
@given(true=lines, seed=st.integers(0, 99))
def an_engine_that_pads_nothing_is_not_taken_for_one_that_does(true: Line, seed: int) -> None:
    model, luck = CostModel(USED), Random(seed)
    plain = true._replace(row_step_s=true.row_step_s + 0.01)
    for work in alike(Random(seed), 80, [4, 20, 50]):
        model.learn(ran(work, plain.seconds(work) * luck.lognormvariate(0, 0.03)))
    works = [job(20).times(jobs) for jobs in range(1, 9)]
    assert max(abs(model.estimate(MODEL, KEY, work).seconds / plain.seconds(work) - 1) for work in works) <= 0.1


def memory_is_told_above_every_peak() -> None:
    model, dice = CostModel(USED), Random(1)
    peaks: dict[int, int] = {}
    for work in mixed(dice, 40):
        peaks[work.rows] = max(peaks.get(work.rows, 0), int(5e9 + work.rows * 3e8 * dice.uniform(0.9, 1.1)))
        model.learn(ran(work, 1.0, memory_bytes=peaks[work.rows], model_bytes=MODEL_BYTES))
    say = {rows: model.estimate(MODEL, KEY, Work(16384, rows, 20, 20 * rows)).memory_bytes or 0 for rows in (2, 4, 8, 16, 32)}
    assert all(peak <= say[rows] <= 1.3 * peak for rows, peak in peaks.items())
    assert all(less < more for less, more in pairwise(say.values()))
    assert say[32] == pytest.approx(5e9 + 32 * 3e8, rel=0.25), "of a batch that never ran"


def memory(rows: int, *, times: int = 1, base: float = 0.0, model: CostModel | None = None, **changes: Any) -> CostModel:
    """Runs that take so much for any batch, and 300 MB for each row."""
    model = model or CostModel(USED)
    for _ in range(times):
        took = MODEL_BYTES + int(base + rows * 3e8)
        run = {"memory_bytes": took, "model_bytes": MODEL_BYTES, **changes}
        model.learn(ran(Work(16384, rows, 20, 20 * rows), 1.0, **run))
    return model


def of_rows(model: CostModel, rows: int, device: str = "cpu") -> float:
    told = model.memory(MODEL, KEY, device)
    assert told is not None
    return told.of(rows) - MODEL_BYTES


def of_one_size_memory_is_told_in_proportion_to_rows_on_top_of_the_model() -> None:
    assert of_rows(memory(2, times=5), 16) == pytest.approx(16 * 3e8, rel=0.15)


def what_a_batch_takes_whatever_its_rows_is_told_apart_by_a_second_size() -> None:
    model = memory(4, times=2, base=2e9, model=memory(2, times=6, base=2e9))
    assert of_rows(model, 32) == pytest.approx(2e9 + 32 * 3e8, rel=0.15)


def one_wild_peak_moves_no_limit() -> None:
    model = memory(2, times=6)
    for rows in (2, 64):
        memory(rows, model=model, memory_bytes=MODEL_BYTES + int(20 * rows * 3e8))
    memory(4, times=12, model=model)
    assert of_rows(model, 16) == pytest.approx(16 * 3e8, rel=0.3)


def a_device_class_that_ran_nothing_is_told_what_others_took() -> None:
    model = memory(2, times=3)
    assert of_rows(model, 2, "small") == of_rows(model, 2)
    assert model.estimate(MODEL, KEY, ONE, "small").memory_bytes == model.estimate(MODEL, KEY, ONE, "cpu").memory_bytes
    assert CostModel(USED).memory(MODEL, KEY, "small") is None


def what_memory_was_taken_is_restored_elsewhere() -> None:
    (learned,) = memory(2, times=3).changed(all=True)
    heir = CostModel(USED)
    heir.restore(msgspec.json.decode(msgspec.json.encode(learned), type=LearnedCost))
    assert of_rows(heir, 8, "small") == pytest.approx(8 * 3e8, rel=0.15)


def the_usual_device_is_the_one_of_late() -> None:
    model = CostModel(USED)
    for device, runs, took in (("cpu", 50, 10.0), ("h200", 400, 0.1)):
        for _ in range(runs):
            model.learn(ran(ONE, took, device=device))
    assert model.usual(MODEL) == "h200"
    assert model.estimate(MODEL, KEY, ONE) == model.estimate(MODEL, KEY, ONE, "h200")
    assert model.estimate(MODEL, KEY, ONE, "cpu").seconds == pytest.approx(10.0, rel=0.05)


def keys_without_end_do_not_fill_the_memory() -> None:
    model = CostModel(USED)
    for number in range(4 * 50):
        model.learn(ran(ONE, 1.0, key=f"{MODEL}/{number}"))
    assert sum(model.measured(MODEL, f"{MODEL}/{number}") for number in range(200)) <= 100
    assert model.measured(MODEL, f"{MODEL}/199")


Patch = Callable[[pytest.MonkeyPatch], None]


def setting(module: Any, **values: Any) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)

    return patch


def least_squares(features: Any, targets: Any, weights: Any) -> Any:
    root = np.sqrt(weights)
    return np.linalg.lstsq(features * root[:, None], targets * root, rcond=None)[0]


def blind(self: CostModel, learned: LearnedCost) -> None:
    """Restores nothing."""


CHECKS: dict[Callable[[], None], dict[str, Patch]] = {
    predictions_are_positive_and_grow: {
        "coefficients below zero": setting(cost_fit, fit=lambda *_: Line(1.0, -0.1, 0.0)),
        "anything is believed": setting(cost_model, _credible=lambda _: True),
    },
    a_true_line_is_learned_in_sixty_runs: {
        "the table never fades": setting(cost_key, LEAST_PRIOR=5.0),
        "a fit only now and then": setting(cost_key, REFIT=0.5),
    },
    one_wild_run_in_ten_moves_no_prediction_by_a_sixth: {"no edge": setting(cost_fit, EDGE=inf)},
    a_first_run_that_is_wild_moves_nothing: {
        "the table has no vote": setting(cost_key, PRIOR_VOTES=0),
        "the table weighs nothing": setting(cost_key, PRIOR_WEIGHT=0.0, LEAST_PRIOR=0.01),
    },
    four_of_five_runs_end_within_the_interval: {
        "too narrow": setting(cost_key, COVER=0.6),
        "always half to twice": setting(cost_key, COVER=2.0),
    },
    a_device_that_becomes_slower_is_believed: {"all runs count alike": setting(cost_key, HALF_LIFE=inf, KEPT=200)},
    the_first_run_after_a_load_is_no_measure_of_others: {
        "it is": setting(cost_key.KeyCost, start=lambda self, run: [self.learn(run).ratio]),
    },
    a_new_size_is_as_much_slower_as_the_others_were: {
        "by the table alone": setting(CostModel, _seed=lambda self, model, pixels, _: self._table(model, pixels)),
    },
    what_was_learned_is_restored_elsewhere: {"nothing is": setting(CostModel, restore=blind)},
    a_new_key_is_written_often_and_an_old_one_seldom: {
        "always": setting(cost_key, GROWN=0.0),
        "never": setting(cost_key, GROWN=inf),
    },
    whether_batching_pays_is_learned: {"only the table knows": setting(cost_fit, fit=lambda _, start: start)},
    rows_that_an_engine_pads_to_a_power_of_two_cost_what_the_padded_ones_do: {"never": setting(cost_fit, CLEARLY=0.0)},
    an_engine_that_pads_nothing_is_not_taken_for_one_that_does: {"always": setting(cost_fit, CLEARLY=inf)},
    memory_is_told_above_every_peak: {"below some": setting(cost_memory, MARGIN=0.8)},
    of_one_size_memory_is_told_in_proportion_to_rows_on_top_of_the_model: {
        "the model in proportion, too": setting(cost_memory, _line=lambda told: (0.0, (told[0][1] + MODEL_BYTES) / told[0][0])),
    },
    what_a_batch_takes_whatever_its_rows_is_told_apart_by_a_second_size: {
        "always in proportion": setting(cost_memory, _line=lambda told: (0.0, told[0][1] / told[0][0])),
    },
    one_wild_peak_moves_no_limit: {"above all": setting(cost_memory, COVER=1.0)},
    a_device_class_that_ran_nothing_is_told_what_others_took: {"nobody": setting(CostModel, _note_memory=lambda *_: None)},
    what_memory_was_taken_is_restored_elsewhere: {"nothing is": setting(CostModel, restore=blind)},
    the_usual_device_is_the_one_of_late: {"none": setting(CostModel, _count=lambda *_: None)},
    keys_without_end_do_not_fill_the_memory: {"they do": setting(cost_model, KEYS=1000)},
}


@pytest.fixture(autouse=True)
def _few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_model, "KEYS", 50)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_that(check: Callable[[], None]) -> None:
    check()


BUGS = [pytest.param(check, bug, id=f"{check.__name__}: {name}") for check, bugs in CHECKS.items() for name, bug in bugs.items()]


@pytest.mark.parametrize(("check", "bug"), BUGS)
def test_a_bug_is_found(check: Callable[[], None], bug: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises((AssertionError, ValueError, np.linalg.LinAlgError)):
        check()
