from __future__ import annotations

import pytest

from tests.support.skips import STRICT, unexcused_skip_fails


def skipped(reason: str) -> pytest.CollectReport:
    return pytest.CollectReport("tests/x.py", "skipped", ("tests/x.py", 1, f"Skipped: {reason}"), [])


def test_a_missing_extra_is_a_failure_where_all_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT, "1")
    report = unexcused_skip_fails(skipped("could not import 'torch'"))
    assert report.outcome == "failed"
    assert "torch" in str(report.longrepr)


def test_a_missing_gpu_is_excused_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT, "1")
    assert unexcused_skip_fails(skipped("needs a GPU")).outcome == "skipped"


def test_a_missing_extra_is_a_skip_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT, raising=False)
    assert unexcused_skip_fails(skipped("could not import 'torch'")).outcome == "skipped"
