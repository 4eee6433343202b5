from __future__ import annotations

import pytest

from tests.support.skips import STRICT, missing_is_failed


def skipped(reason: str) -> pytest.CollectReport:
    return pytest.CollectReport("tests/x.py", "skipped", ("tests/x.py", 1, f"Skipped: {reason}"), [])


@pytest.mark.parametrize("reason", ["could not import 'torch'", "needs the [torch] extra", "compares: needs the [torch] extra"])
def test_a_missing_extra_is_a_failure_where_all_must_run(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setenv(STRICT, "1")
    report = missing_is_failed(skipped(reason))
    assert report.outcome == "failed"
    assert reason in str(report.longrepr)


@pytest.mark.parametrize("reason", ["needs a GPU", "a flow-matching model has one sampler"])
def test_a_missing_gpu_and_a_case_that_does_not_apply_are_skips_everywhere(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setenv(STRICT, "1")
    assert missing_is_failed(skipped(reason)).outcome == "skipped"


def test_a_missing_extra_is_a_skip_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT, raising=False)
    assert missing_is_failed(skipped("could not import 'torch'")).outcome == "skipped"
