"""A GPU consumer whose outputs go to a real S3 server, which goes away for a while."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import web

from contracts.work import Batch
from infra.local.s3 import LocalS3
from infra.objects.connect import download
from infra.settings import Store
from tests.support.batches import batches, catalog
from tests.support.s3 import Spoiler, fair
from tests.support.workers import pool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


async def away(request: web.Request) -> int | None:
    return 503


def ids(work: list[Batch]) -> set[str]:
    return {job.id for one in work for job in one.jobs}


async def test_outputs_go_to_the_second_store_while_the_first_is_away_and_results_say_where_they_are(
    bootstrap: str, topic_prefix: str, tmp_path: Path, s3: LocalS3, bucket: str
) -> None:
    async with Spoiler(s3) as between, pool(bootstrap, topic_prefix, tmp_path, catalog(tmp_path / "models.toml")) as one:
        store = Store(objects=s3.url(bucket, "out", port=between.port), fallback=(tmp_path / "second").as_uri())
        one.settings = msgspec.structs.replace(one.settings, store=store)
        work = batches(2, 4)
        await one.send(work[:1])
        await one.start()
        await one.all_told(ids(work[:1]))
        between.spoil = away
        await one.send(work[1:])
        await one.all_told(ids(work[1:]))
        between.spoil = fair
        places = {(outcome.id, urlsplit(output.url).scheme) for outcome in one.outcomes for output in outcome.outputs}
        assert places == {(id, "s3") for id in ids(work[:1])} | {(id, "file") for id in ids(work[1:])}
        for output in (output for outcome in one.outcomes for output in outcome.outputs):
            body = await asyncio.to_thread(download, output.url)
            assert hashlib.sha256(body).hexdigest() == output.sha256
