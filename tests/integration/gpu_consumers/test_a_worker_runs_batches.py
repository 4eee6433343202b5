"""One worker on a real Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import batches, catalog
from tests.support.workers import pool

pytestmark = pytest.mark.integration


async def test_every_job_of_every_batch_has_one_outcome_and_its_picture(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    async with pool(bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml")) as one:
        work = batches(8, 16)
        await one.send(work)
        await one.start()
        ids = {job.id for batch in work for job in batch.jobs}
        await one.all_told(ids)
        assert set(one.copies().values()) == {1}
        assert {state for states in one.states().values() for state in states} == {"succeeded"}
