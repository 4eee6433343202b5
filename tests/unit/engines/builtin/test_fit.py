"""Training resumes where it stopped, as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch, the default install does without")

from engines.builtin.training.fit import Fit, Plan  # noqa: E402 (after the skip)


def tiny(folder: Path, steps: int, *, until: int | None = None) -> Fit:
    """Fits a tiny network; `until` stops it early, as a crash after a checkpoint would."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    fit = Fit(module, Plan(steps=steps, rate=1e-2, warm_up=2, save_every=5, log_every=5, orthogonal="0"), folder)

    def loss(step: int) -> tuple[Any, dict[str, float]]:
        if step == until:
            raise KeyboardInterrupt
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        return (module(inputs) - inputs[:, :2]).square().mean(), {}

    fit.run(loss)
    return fit


def weights(fit: Fit) -> list[Any]:
    return [*fit.module.parameters(), *fit.average.parameters()]


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = tiny(tmp_path / "whole", 20)
    with pytest.raises(KeyboardInterrupt):
        tiny(tmp_path / "parts", 20, until=13)
    resumed = tiny(tmp_path / "parts", 20)
    assert all(torch.equal(one, other) for one, other in zip(weights(whole), weights(resumed), strict=True))


def test_two_runs_with_one_seed_are_equal(tmp_path: Path) -> None:
    first, second = tiny(tmp_path / "first", 10), tiny(tmp_path / "second", 10)
    assert all(torch.equal(one, other) for one, other in zip(weights(first), weights(second), strict=True))


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    fit = tiny(tmp_path / "run", 60)
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(99))
    with torch.no_grad():
        assert float((fit.average(inputs) - inputs[:, :2]).square().mean()) < 0.7


def test_the_rate_warms_up_and_ends_at_zero(tmp_path: Path) -> None:
    fit = tiny(tmp_path / "run", 20)
    assert fit.rate() == 0.0
    fit.step = 0
    assert fit.rate() == pytest.approx(0.5e-2)
