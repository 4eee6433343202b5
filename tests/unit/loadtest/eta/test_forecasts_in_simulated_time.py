from __future__ import annotations

from loadtest.eta.judge import score
from loadtest.eta.simulated import simulated


def test_of_a_recorded_trace_four_of_five_jobs_end_within_their_interval() -> None:
    """By the code of admission and of the scheduler; all traces: `python -m loadtest.eta`."""
    found = score(simulated("recorded", 1))
    assert found.jobs > 700
    assert 0.75 <= found.held <= 0.87
    assert found.off < 1.5
