"""Workers stopped longer than their group waits for them, with real Kafka, real processes and settle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.zombies import SEAMS, haunt

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SESSION_S = 1.5


async def test_what_is_told_too_late_is_seen_by_nobody_in_twenty_trials(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with haunt(bootstrap, topic_prefix, tmp_path, session_s=SESSION_S) as one:
        await one.night(list(SEAMS))
        await one.night([f"{seam}.blind" for seam in SEAMS])
        assert len(one.trials) >= 20
        assert one.late().keys() == {*SEAMS, "behind"}, "each way to be late was tried"
        assert await one.faults() == []
        # The judge can say no.
        await one.another_settle("late_objects_kept")
        before = len(one.trials)
        await one.night([f"{seam}.blind" for seam in SEAMS])
        kept = await one.faults()
        assert len(kept) >= len(one.trials) - before > 0
        assert all("no result names it" in fault for fault in kept)
        await one.another_settle("zombie_accepted")
        before = len(one.trials)
        await one.night([f"{seam}.blind" for seam in SEAMS])
        doubled = {fault.partition(":")[0] for fault in await one.faults() if fault.endswith(" results")}
        assert doubled == set(one.trials[before:]) != set()
