"""The report says what it measured, and shows a broken promise where nobody can miss it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadtest.figures import write_report
from loadtest.storm.options import Options
from loadtest.storm.oracle import Verdict
from loadtest.storm.page import name_of, page
from loadtest.storm.report import Report, spread


def report(*faults: str) -> Report:
    nothing = spread([])
    return Report(
        options=Options(seed=7),
        machine="a machine",
        began=0.0,
        sent_s=1.0,
        records=3,
        ends={"succeeded": 2},
        blows={"gpu kill": 1},
        unbidden=[],
        verdicts=[Verdict(invariant="one result each", checks=3, faults=list(faults))],
        recovery=spread([1.0, 2.0]),
        return_=nothing,
        recovery_fair=nothing,
        return_fair=nothing,
        runs=2,
        extra_runs=0,
        extra_allowed=8,
        redone_s=0.0,
        silent=nothing,
        idle=nothing,
    )


@pytest.mark.parametrize(
    ("values", "count", "p50", "p99"),
    [([], 0, 0.0, 0.0), ([0.0], 1, 0.0, 0.0), ([3.0], 1, 3.0, 3.0), (range(1, 101), 100, 50.0, 99.0)],
)
def test_a_spread_is_of_what_was_measured(values: list[float], count: int, p50: float, p99: float) -> None:
    found = spread(values)
    assert (found.count, found.p50, found.p99) == (count, p50, p99)


def test_a_kept_promise_and_a_broken_one_look_different() -> None:
    assert "every promise kept" in page(report())
    assert "PROMISES BROKEN" in page(report("ash/a: 0 results, not 1"))
    assert "- ash/a: 0 results, not 1" in page(report("ash/a: 0 results, not 1"))


def test_the_report_is_a_page_and_the_same_as_json(tmp_path: Path) -> None:
    write_report(report(), page(report()), tmp_path, name_of(report()))
    assert (tmp_path / "storm-7.md").read_text() == page(report())
    told = msgspec.json.decode((tmp_path / "storm-7.json").read_bytes(), type=Report)
    assert told == report()
