"""Every process struck again and again while a few hundred jobs pour in: every promise is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.topics import Topics
from loadtest.crew.watch import ends
from loadtest.storm.options import Options
from loadtest.storm.page import page
from loadtest.storm.run import Place, storm

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]


async def test_a_short_storm_breaks_no_promise(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    options = Options(seed=3, jobs=240, rate=12, workers=2, window=10, life_s=(3.0, 9.0), least_blows=8)
    report = await storm(options, Place(folder=tmp_path, bootstrap=bootstrap, prefix=f"{topic_prefix}."))
    assert report.kept, page(report)
    assert sum(report.blows.values()) >= options.least_blows
    assert [one.invariant for one in report.verdicts if not one.checks] == []
    topics = Topics(prefix=f"{topic_prefix}.")
    aside = await ends(bootstrap, {topics.overflow("default"): topics.overflow_partitions})
    assert sum(aside.values()) > 0, "no job had to wait in overflow"
