"""Jobs as admission would queue them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from contracts.codec import encode
from contracts.records import Record
from contracts.work import QueuedJob, Resolved

if TYPE_CHECKING:
    from contracts.topics import Topics

PLAIN = Resolved(width=64, height=64, steps=4, guidance=1.0, seed=1, count=1, frames=1, fps=1)


def queued_job(id: str, **changes: Any) -> QueuedJob:
    """A job for the model without a model."""
    now = time.time()
    job = QueuedJob(
        id=id,
        tenant="acme",
        tier="ordinary",
        pool="default",
        model="noop@1",
        engine="noop",
        batch_key="noop@1/64x64",
        price_s=0.01,
        resolved=PLAIN,
        source="0@0",
        submitted_at=now,
        admitted_at=now,
        job=Raw(b'{"id":"' + id.encode() + b'","tenant":"acme","task":"text-to-image","inputs":{"prompt":"a red circle"}}'),
    )
    return msgspec.structs.replace(job, **changes)


def queue_record(topics: Topics, job: QueuedJob) -> Record:
    """The job on its queue."""
    return Record(topics.queue(job.pool, job.tier), job.id.encode(), encode(job))
