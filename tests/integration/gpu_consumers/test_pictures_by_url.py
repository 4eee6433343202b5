"""A real worker whose jobs start from pictures on a web server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from infra.settings import Fetch
from tests.support.batches import batch, catalog, queued
from tests.support.sites import Page, answer, moved, site
from tests.support.workers import Pool, pool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def fetching(one: Pool, *ports: int) -> None:
    """Let the workers of this pool fetch from loopback."""
    rules = Fetch(http=True, ports=ports, networks=("127.0.0.1/32",), timeout_s=60.0)
    one.settings = msgspec.structs.replace(one.settings, fetch=rules)


async def test_pictures_come_by_url_and_a_slow_one_holds_up_neither_the_next_batch_nor_its_tenants(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    released = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.write(answer())

    pages: dict[str, Page] = {"/x.png": answer(), "/slow.png": slow, "/moved": moved("http://169.254.169.254/secret")}
    models = catalog(tmp_path / "models.toml")
    async with site(pages) as web, pool(bootstrap, topic_prefix, tmp_path, models, partitions=1) as one:
        fetching(one, 80, web.port)
        here = f"http://127.0.0.1:{web.port}"
        wanted = {"slow": "/slow.png", "good": "/x.png", "gone": "/gone.png", "moved": "/moved"}
        first = batch("first", [queued(name, image=here + path) for name, path in wanted.items()])
        worker = await one.start()
        await one.at_work()
        await one.send([first, batch("second", [queued("next")])], partition=0)
        await one.all_told({"next"})
        assert one.states() == {"next": {"succeeded"}}
        released.set()
        await one.all_told(set(wanted))
        states = one.states()
        assert [states[name] for name in wanted] == [{"succeeded"}, {"succeeded"}, {"failed"}, {"failed"}]
        for outcome in one.outcomes:
            if outcome.state == "failed":
                assert outcome.error is not None
                assert (outcome.error.code, outcome.error.retryable) == ("image_unavailable", False)
                assert outcome.error.message.startswith("inputs.image: its host ")
        assert here not in worker.log.read_text()
