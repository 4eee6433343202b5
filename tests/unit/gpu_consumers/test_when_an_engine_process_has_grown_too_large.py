from __future__ import annotations

from collections.abc import Iterable

import pytest

from gpu_consumers.leak import Bounds, LeakGuard


def verdicts(bounds: Bounds, sizes: Iterable[float], models: Iterable[str] = ("a",)) -> list[float]:
    """What a guard says after runs that leave the process at these sizes (MiB)."""
    now = [0.0]
    guard = LeakGuard(bounds, settle=lambda: None, resident=lambda: now[0])

    def after(size: float) -> float:
        now[0] = size
        return guard.outgrown(list(models))

    return [after(size) for size in sizes]


def test_what_it_needs_after_its_first_run_is_no_growth() -> None:
    assert verdicts(Bounds(growth_mb=100), [5000, 5050, 5100, 5101]) == [0, 0, 0, 5101]


def test_a_process_without_bounds_grows_as_it_likes() -> None:
    assert verdicts(Bounds(), [10, 1_000_000]) == [0, 0]


def test_an_absolute_bound_holds_for_slow_growth_too() -> None:
    assert verdicts(Bounds(memory_mb=1000), [900, 990, 1001]) == [0, 0, 1001]


def test_a_model_that_needs_more_than_the_bound_is_not_loaded_again_and_again() -> None:
    assert verdicts(Bounds(memory_mb=1000), [2000, 2010, 1990, 2300]) == [0, 0, 0, 2300]


def test_one_more_model_is_no_leak() -> None:
    now, models = 100.0, ["a"]
    guard = LeakGuard(Bounds(growth_mb=50), settle=lambda: None, resident=lambda: now)
    assert not guard.outgrown(models)
    now, models = 900.0, ["b", "a"]
    assert not guard.outgrown(models)
    now = 951.0
    assert guard.outgrown(["a", "b"])


@pytest.mark.parametrize("after", [100.0, 200.0])
def test_pictures_still_being_encoded_do_not_count(after: float) -> None:
    now = 100.0

    def settle() -> None:
        nonlocal now
        now = after

    guard = LeakGuard(Bounds(growth_mb=50), settle=settle, resident=lambda: now)
    after, wanted = 100.0, after
    assert not guard.outgrown(["a"])
    now, after = 200.0, wanted
    assert bool(guard.outgrown(["a"])) == (wanted == 200.0)
