"""Where a job goes: model version, pool, tier, and with whom it can share a forward pass."""

from __future__ import annotations

from msgspec import Struct

from contracts.catalog import ModelSpec
from contracts.events import Job
from contracts.work import QueuedJob, Resolved
from streams.policy.cost import Costs
from streams.policy.decode import raw
from streams.policy.eta import Eta
from streams.policy.fingerprint import fingerprint, seed_of
from streams.policy.price import price
from streams.policy.validate import Models, check


class Placed(Struct, frozen=True, kw_only=True):
    """A job that is fit to run."""

    job: Job
    model: ModelSpec
    fingerprint: bytes
    resolved: Resolved
    batch_key: str
    """Equal for jobs whose rows fit one tensor. Steps, guidance and seed are per row, so not in it."""
    price_s: float


def place(job: Job, models: Models, costs: Costs) -> Placed:
    """Check a decoded job against the catalogue and price it. Raises `Rejected`. Whether it costs too much is not asked."""
    model = models.choose(job.model, job.task)
    digest = fingerprint(job)
    resolved = check(job, model, seed_of(digest))
    key = f"{model.ref}/{job.task}/{_shape(resolved)}"
    seconds = price(resolved, model.ref, key, costs)
    return Placed(job=job, model=model, fingerprint=digest, resolved=resolved, batch_key=key, price_s=seconds)


def resized(key: str, resolved: Resolved) -> str:
    """The batch key of the same job in another size."""
    return f"{key.rpartition('/')[0]}/{_shape(resolved)}"


def _shape(size: Resolved) -> str:
    return f"{size.width}x{size.height}x{size.frames}"


def queued(
    placed: Placed, body: bytes, *, source: str, submitted_at: float, admitted_at: float, eta: Eta | None = None
) -> QueuedJob:
    """The job as it queues. `body`: the original event."""
    job, model = placed.job, placed.model
    return QueuedJob(
        id=job.id,
        tenant=job.tenant,
        tier=job.priority,
        pool=model.pool,
        model=model.ref,
        engine=model.engine,
        batch_key=placed.batch_key,
        price_s=placed.price_s,
        resolved=placed.resolved,
        source=source,
        submitted_at=submitted_at,
        admitted_at=admitted_at,
        deadline=deadline(job, submitted_at),
        degrade=job.degrade == "allowed",
        forecast_s=eta.raw_s if eta else 0.0,
        said_s=(eta.low_s, eta.high_s) if eta else None,
        job=raw(body),
    )


def deadline(job: Job, submitted_at: float) -> float | None:
    """When the job expires (seconds since the epoch); None: never."""
    return None if job.ttl_s is None else submitted_at + job.ttl_s
