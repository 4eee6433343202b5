"""What admission would say of a job, by its own code, and what it would cost. Nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from contracts.events import TIERS, Job, JobError, Tier
from darkroom.cli.files import files
from darkroom.cli.where import Where
from darkroom.place import Place
from darkroom.system.lag import Backlog, backlog, workers
from darkroom.system.learned import learned
from streams.policy.cost import Estimate, work_of
from streams.policy.cost_model import CostModel
from streams.policy.decode import read_job
from streams.policy.place import Placed, place
from streams.policy.price import too_dear
from streams.policy.rejected import Rejected
from streams.policy.validate import Models


class Forecast(Struct, frozen=True, kw_only=True):
    """What would become of a job."""

    error: JobError | None = None
    """Why it would be refused; all below is empty then."""
    model: str = ""
    """name@version."""
    engine: str = ""
    pool: str = ""
    tier: str = ""
    batch_key: str = ""
    price_s: float = 0.0
    """Predicted GPU-seconds when run alone."""
    price_error: float = 0.0
    """Four of five such runs take between price ÷ (1 + this) and price × (1 + this)."""
    price_runs: int = 0
    """Measured runs that the price rests on; 0: it is the catalogue's."""
    waiting_jobs: int = 0
    """Of the same tier and more important ones, in the same pool."""
    waiting_gpu_s: float = 0.0
    workers: int = 0
    """Alive, and able to run the model."""
    done_in_s: float | None = None
    """About when it would be done, if the GPU-seconds that wait are shared by the workers; None: nobody is there to run it."""


async def ask(job: Job, where: Where) -> Forecast:
    """The forecast for a job sent now. Raises `DarkroomError`."""
    at = where.place()
    catalog, tenants = files(where)
    costs = CostModel(catalog)
    for known in await learned(at):
        costs.restore(known)
    try:
        placed = place(read_job(msgspec.json.encode(job)), Models(catalog), costs)
    except Rejected as rejected:
        return Forecast(error=rejected.error)
    dear = too_dear(placed.price_s, tenants.of(job.tenant).max_price_s)
    if dear is not None:
        return Forecast(error=dear.error)
    estimate = costs.estimate(placed.model.ref, placed.batch_key, work_of(placed.resolved))
    runs = costs.measured(placed.model.ref, placed.batch_key)
    return await _timed(at, placed, estimate, runs)


async def _timed(at: Place, placed: Placed, estimate: Estimate, runs: int) -> Forecast:
    model, tier = placed.model, placed.job.priority
    before = _before(await backlog(at, model.pool), tier) if model.pool in at.topics.pools else []
    able = [one for one in await workers(at, time.time()) if one.pool == model.pool and model.ref in one.models]
    waiting_s = sum(one.gpu_s for one in before)
    return Forecast(
        model=model.ref,
        engine=model.engine,
        pool=model.pool,
        tier=tier,
        batch_key=placed.batch_key,
        price_s=placed.price_s,
        price_error=round(estimate.error, 3),
        price_runs=runs,
        waiting_jobs=sum(one.jobs for one in before),
        waiting_gpu_s=round(waiting_s, 3),
        workers=len(able),
        done_in_s=round(placed.price_s + waiting_s / len(able), 3) if able else None,
    )


def _before(waiting: dict[str, Backlog], tier: Tier) -> list[Backlog]:
    """What goes first: more important tiers, and the job's own."""
    return [waiting[one] for one in TIERS[: TIERS.index(tier) + 1]]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def lines(told: Forecast) -> Iterator[str]:
    """The forecast for people."""
    if told.error is not None:
        yield f"would be rejected: {told.error.message} ({told.error.code})"
        return
    by = f"by {told.price_runs} measured runs" if told.price_runs else "by the catalogue: nothing like it was measured yet"
    yield f"would be accepted: {told.model} on {told.engine}, pool {told.pool}, tier {told.tier}"
    yield f"  price    {told.price_s:.3g} GPU-seconds, give or take {told.price_error:.0%} ({by})"
    yield f"  batches  with other jobs of {told.batch_key}"
    waiting = f"{told.waiting_gpu_s:.3g} GPU-seconds of {_count(told.waiting_jobs, 'job')}"
    yield f"  waiting  {waiting}, {_count(told.workers, 'worker')}"
    yield f"  done     {f'in about {told.done_in_s:.3g} s' if told.done_in_s is not None else 'unknown: no worker can run it'}"
