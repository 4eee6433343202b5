"""Skips that CI does not accept: with every extra installed, "not installed" is a broken install."""

from __future__ import annotations

import os
import re
from typing import TypeVar

import pytest

STRICT = "DARKROOM_TEST_ALL"
# Reasons that speak of something missing. Others are a case that does not apply ("has one sampler"), and a GPU
# is what CI cannot have.
MISSING = re.compile(r"needs (?!a GPU)|could not import|not installed|\bextra\b")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def missing_is_failed(report: Report) -> Report:
    """Turn a skip for want of something into a failure, where the environment asks for every test to run."""
    if not os.environ.get(STRICT) or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return report
    reason = _reason(report)
    if MISSING.search(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped although {STRICT} is set: {reason}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    # A skip's longrepr is (file, line, "Skipped: why").
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
