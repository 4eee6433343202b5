"""What is kept of a real run's jobs, and when a real run and its simulation agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from contracts.codec import encode
from contracts.events import Inputs, Job
from loadtest.crew.noop import catalog_of, write_catalog
from loadtest.simulate.contest import play
from loadtest.simulate.noop import SPEC, noop
from loadtest.simulate.policies import OURS
from loadtest.simulate.record import PATIENCE_S, items_of
from loadtest.simulate.trace import read_items, write_items
from loadtest.simulate.validate import disagreements, figures_of_run, jobs_of, scenario_of

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = "a prompt that nobody is to read"


class Recorded(NamedTuple):
    """A record of `jobs`."""

    timestamp: int
    """Milliseconds."""
    partition: int
    offset: int
    value: bytes


def _record(at_ms: int, tenant: str, *, ttl_s: float | None = None, width: int = 64) -> Recorded:
    job = Job(
        id=f"{tenant}-{at_ms}",
        tenant=tenant,
        task="text-to-image",
        inputs=Inputs(prompt=PROMPT, width=width, height=64),
        ttl_s=ttl_s,
    )
    return Recorded(at_ms, 0, at_ms, encode(job))


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return write_catalog(tmp_path / "models.toml", catalog_of(SPEC))


def test_jobs_are_in_the_order_of_their_coming_with_their_goals(catalog: Path) -> None:
    items = items_of([_record(5250, "b"), _record(5000, "a", ttl_s=7.0), _record(6000, "b")], catalog)
    assert [item.at for item in items] == [0.0, 0.25, 1.0]
    assert [item.goal_s for item in items] == [7.0, PATIENCE_S, PATIENCE_S]


def test_neither_prompts_nor_names_are_kept(catalog: Path, tmp_path: Path) -> None:
    items = items_of([_record(1, "acme"), _record(2, "bolt"), _record(3, "bolt")], catalog)
    assert [item.tenant for item in items] == ["tenant-1", "tenant-0", "tenant-0"]
    file = tmp_path / "trace.gz"
    write_items(items, file)
    assert read_items(file) == items
    text = b"".join(map(encode, read_items(file)))
    assert not any(word.encode() in text for word in (PROMPT, "acme", "bolt"))


def test_a_job_that_admission_rejects_is_no_part_of_the_trace(catalog: Path) -> None:
    assert len(items_of([_record(1, "a", width=4096), _record(2, "a")], catalog)) == 1
    assert len(items_of([Recorded(1, 0, 0, b"{"), _record(2, "a")], catalog)) == 1


def test_a_real_run_and_its_simulation_agree_within_a_tenth_or_are_said_not_to() -> None:
    real = {"p50_s": 1.0, "jobs_per_s": 10.0, "batch": 3.0}
    assert disagreements(real, real | {"p50_s": 1.09, "jobs_per_s": 9.1}) == []
    assert disagreements(real, real | {"p50_s": 1.11}) == ["p50_s"]
    assert disagreements(real, real | {"jobs_per_s": 8.9}) == ["jobs_per_s"]


def test_the_simulation_of_what_was_sent_has_a_figure_for_each_of_the_real_runs(catalog: Path) -> None:
    records = [Recorded(int(1000 * at), 0, place, encode(job)) for place, (at, job) in enumerate(jobs_of(12.0, 10.0, 1))]
    run = play(scenario_of(items_of(records, catalog)), OURS)
    figures = figures_of_run(run)
    assert figures["p50_s"] >= noop().alone_s(run.scenario.items[0].resolved)
    assert figures["batch"] > 1
    assert figures["jobs_per_s"] == pytest.approx(len(records) / run.end_s)
