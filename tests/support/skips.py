"""Skips that CI does not accept: with every extra installed, "not installed" is a broken install."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

STRICT = "DARKROOM_TEST_ALL"
# What CI cannot have; anything else it can, so a skip for it is a failure.
EXCUSES = ("needs a GPU",)

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def unexcused_skip_fails(report: Report) -> Report:
    """Turn a skip without an excuse into a failure, where the environment asks for every test to run."""
    if not os.environ.get(STRICT) or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return report
    reason = _reason(report)
    if not reason.startswith(EXCUSES):
        report.outcome = "failed"
        report.longrepr = f"skipped although {STRICT} is set: {reason}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    # A skip's longrepr is (file, line, "Skipped: why").
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
