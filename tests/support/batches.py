"""Batches as the scheduler writes them, by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from contracts.codec import encode
from contracts.events import Inputs, Job
from contracts.work import Batch, QueuedJob
from loadtest.crew.noop import NOOP, catalog_of, write_catalog
from tests.support.queued import PLAIN, queued_job

MODEL = replace(NOOP, tasks=["text-to-image", "image-to-image"], max_side=4096, max_pixels=16777216, max_steps=100000)


def catalog(file: Path, **options: Any) -> Path:
    """Write a catalogue of one stand-in model with these engine options."""
    return write_catalog(file, catalog_of(replace(MODEL, options=options)))


def queued(id: str, *, tenant: str = "t", steps: int = 4, count: int = 1, image: str | None = None, **changes: Any) -> QueuedJob:
    """An admitted job whose owner wrote a secret."""
    inputs = Inputs(prompt=f"secret prompt of {id}", image=image)
    job = Job(id=id, tenant=tenant, task="text-to-image", inputs=inputs)
    numbers = replace(PLAIN, steps=steps, count=count)
    plain = queued_job(id, tenant=tenant, batch_key="noop/1", resolved=numbers, job=Raw(encode(job)))
    return replace(plain, **changes)


def batch(id: str, jobs: Sequence[QueuedJob]) -> Batch:
    """These jobs as one batch."""
    return Batch(
        id=id,
        pool="default",
        key="noop/1",
        engine="noop",
        model=jobs[0].model if jobs else "noop@1",
        formed_at=time.time(),
        sources=[("ordinary", number) for number in range(len(jobs))],
        jobs=list(jobs),
    )


def batches(number: int, size: int, **changes: Any) -> list[Batch]:
    """Batches of jobs that no other batch has."""
    return [batch(f"b{b}", [queued(f"job-{b}-{j}", **changes) for j in range(size)]) for b in range(number)]
