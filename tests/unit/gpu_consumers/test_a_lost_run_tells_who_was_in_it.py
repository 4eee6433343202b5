from __future__ import annotations

from pathlib import Path

from contracts.codec import encode
from contracts.work import Lost, Outcome, Squeezed
from gpu_consumers import outcome
from gpu_consumers.flight import Flight, Source, open_batch
from gpu_consumers.frames import Unmade
from gpu_consumers.oom import oom_kills
from gpu_consumers.squeeze import FORGET_S, Squeezes
from gpu_consumers.versions import versions_of
from tests.support.batches import batch, queued


def flight(*ids: str) -> Flight:
    source = Source(topic="batches.default", partition=0, offset=0)
    return open_batch(1, source, encode(batch("b", [queued(one, degraded=["steps"]) for one in ids])), 0.0)


def failed(place: int, *, lost: bool) -> Unmade:
    return Unmade(place=place, state="failed", code="engine_crashed", message="", retryable=True, lost=lost)


def told(*unmade: Unmade) -> dict[str, Outcome]:
    return {one.id: one for one in outcome.unmade(flight("a", "b", "c", "d"), unmade, 7.0, "gpu-1")}


def test_each_job_in_it_knows_its_place_among_those_nothing_was_told_of() -> None:
    outcomes = told(failed(1, lost=True), failed(3, lost=True))
    assert {id: one.lost for id, one in outcomes.items()} == {"b": Lost(place=0, size=2), "d": Lost(place=1, size=2)}
    assert {one.at for one in outcomes.values()} == {7.0}


def test_a_job_that_failed_by_itself_was_not_in_it() -> None:
    outcomes = told(failed(0, lost=False), failed(1, lost=True))
    assert outcomes["a"].lost is None
    assert outcomes["b"].lost == Lost(place=0, size=1)


def test_a_failure_says_what_it_ran_on_and_what_had_been_reduced() -> None:
    one = told(failed(0, lost=False))["a"]
    assert one.versions == versions_of("noop")
    assert one.versions.keys() >= {"engine", "python", "numpy"}
    assert one.degraded == ["steps"]


def test_what_did_not_fit_is_reported_with_its_age_until_it_is_long_past() -> None:
    now = 100.0
    squeezes = Squeezes(lambda: now)
    squeezes.note("big", 8.0)
    now += 30.0
    squeezes.note("small", 2.0)
    assert squeezes.report() == {"big": Squeezed(weight=8.0, ago_s=30.0), "small": Squeezed(weight=2.0, ago_s=0.0)}
    now += FORGET_S - 30.0
    assert squeezes.report().keys() == {"small"}


def test_the_last_that_did_not_fit_counts() -> None:
    squeezes = Squeezes(lambda: 0.0)
    squeezes.note("key", 8.0)
    squeezes.note("key", 4.0)
    assert squeezes.report()["key"].weight == 4.0


def test_kills_for_memory_are_read_where_the_kernel_counts_them(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    assert oom_kills(vmstat) == 0
    vmstat.write_text("pgfault 12\noom_kill 3\noom_killers 9\n")
    assert oom_kills(vmstat) == 3
