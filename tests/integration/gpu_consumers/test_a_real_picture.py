"""The built-in model behind a worker: plumbing is not enough, there must be a picture."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from msgspec import Raw
from PIL import Image

from contracts.catalog import load_catalog
from contracts.codec import encode
from contracts.events import Inputs, Job
from contracts.work import QueuedJob, Resolved
from infra.settings import Models
from tests.support.batches import batch, queued
from tests.support.workers import pool

CATALOG = Path(Models().catalog)
SCENES = load_catalog(CATALOG).find("scenes", "text-to-image")
PROMPT = "a red circle left of a blue square"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(SCENES is None or not Path(SCENES.path).is_dir(), reason="the built-in model is not there"),
]


def wanted(name: str, seed: int) -> QueuedJob:
    assert SCENES is not None
    job = Job(id=name, tenant="t", task="text-to-image", inputs=Inputs(prompt=PROMPT))
    numbers = Resolved(
        width=SCENES.width,
        height=SCENES.height,
        steps=SCENES.steps,
        guidance=SCENES.guidance,
        seed=seed,
        count=1,
        frames=1,
        fps=1,
    )
    return msgspec.structs.replace(queued(name), model=SCENES.ref, engine=SCENES.engine, resolved=numbers, job=Raw(encode(job)))


async def test_a_batch_of_the_built_in_model_ends_in_pictures(bootstrap: str, topic_prefix: str, tmp_path: Path) -> None:
    async with pool(bootstrap, topic_prefix, tmp_path, CATALOG, partitions=1) as one:
        await one.send([batch("b", [wanted("one", 1), wanted("other", 2)])])
        await one.start()
        await one.all_told({"one", "other"}, within=100)
        assert one.states() == {"one": {"succeeded"}, "other": {"succeeded"}}
        bodies = [Path(unquote(urlsplit(outcome.outputs[0].url).path)).read_bytes() for outcome in one.outcomes]
        for body in bodies:
            picture = Image.open(io.BytesIO(body)).convert("RGB")
            assert SCENES is not None
            assert picture.size == (SCENES.width, SCENES.height)
            assert len(picture.getcolors(1 << 20) or ()) > 50, "a flat picture"
        assert bodies[0] != bodies[1]
