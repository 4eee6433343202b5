"""Simulated devices run out of memory, and know it in time where workers tell of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from loadtest.simulate.device import in_parts
from loadtest.simulate.fleet import asked, base
from loadtest.simulate.memory import GIB, play, two_sizes

MODEL = replace(base(), weights=10, row_bytes=1)
JOB = asked(MODEL)
"""Two rows."""


@pytest.mark.parametrize(("whole", "ooms", "failed"), [(None, 0, 0), (26, 0, 0), (18, 1, 0), (12, 7, 0), (11, 15, 8)])
def test_what_does_not_fit_is_run_in_halves(whole: int | None, ooms: int, failed: int) -> None:
    parts = in_parts(MODEL, [JOB] * 8, whole)
    assert (parts.ooms, len(parts.failed)) == (ooms, failed)
    assert (max(parts.ends) > max(MODEL.run([JOB] * 8))) == bool(ooms and not failed)


def test_memory_runs_out_less_often_where_workers_tell_how_much_they_have() -> None:
    scenario = two_sizes(1, until_s=60.0)
    assert min(scenario.memory) == 24 * GIB
    unknown, known = play(scenario, known=False), play(scenario, known=True)
    assert known.ooms * 10 < unknown.ooms
    lost = [sum(fate.done_at is None for fate in run.fates) for run in (unknown, known)]
    assert lost[1] < lost[0]
