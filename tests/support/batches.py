"""Batches as the scheduler writes them, by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import tomli_w
from msgspec import Raw

from contracts.codec import encode
from contracts.events import Inputs, Job
from contracts.work import Batch, QueuedJob, Resolved

MODEL: dict[str, Any] = {
    "name": "noop",
    "version": "1",
    "engine": "noop",
    "tasks": ["text-to-image", "image-to-image"],
    "width": 64,
    "height": 64,
    "min_side": 8,
    "max_side": 4096,
    "multiple": 8,
    "max_pixels": 16777216,
    "steps": 4,
    "max_steps": 100000,
    "guidance": 1.0,
    "cost": {"base_s": 0.003, "per_row_step_s": 0.00001},
}


def catalog(file: Path, **options: Any) -> Path:
    """Write a catalogue of one stand-in model with these engine options."""
    file.write_bytes(tomli_w.dumps({"defaults": {"text-to-image": "noop"}, "models": [MODEL | {"options": options}]}).encode())
    return file


def queued(id: str, *, tenant: str = "t", steps: int = 4, **changes: Any) -> QueuedJob:
    """An admitted job."""
    inputs = Inputs(prompt=f"secret prompt of {id}", image=changes.pop("image", None))
    job = Job(id=id, tenant=tenant, task="text-to-image", inputs=inputs)
    now = time.time()
    numbers = Resolved(width=64, height=64, steps=steps, guidance=1.0, seed=1, count=changes.pop("count", 1), frames=1, fps=1)
    plain = QueuedJob(
        id=id,
        tenant=tenant,
        tier="ordinary",
        pool="default",
        model="noop@1",
        engine="noop",
        batch_key="noop/1",
        price_s=0.01,
        resolved=numbers,
        source="0@0",
        submitted_at=now,
        admitted_at=now,
        job=Raw(encode(job)),
    )
    return msgspec.structs.replace(plain, **changes)


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
