"""What admission would say of a job, by its own code, and what it would cost. Nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from contracts.events import Job, JobError
from darkroom.cli import show
from darkroom.cli.files import files
from darkroom.cli.where import Where
from darkroom.place import Place
from darkroom.system.lag import workers
from darkroom.system.learned import learned
from darkroom.system.pools import coming, pools
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
    position: int | None = None
    """Jobs that would go before it."""
    workers: int = 0
    """Alive, and able to run the model."""
    eta_s: float | None = None
    """When it would be done, about (seconds); None: nobody is there to run it, or to say."""
    eta_low_s: float | None = None
    eta_high_s: float | None = None
    """Four of five jobs are done between these."""


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
    job, model, now = placed.job, placed.model, time.time()
    able = [one for one in await workers(at, now) if one.pool == model.pool and model.ref in one.models]
    state = (await pools(at)).get(model.pool)
    eta = coming(state, job.priority, job.tenant, placed.price_s, model.ref, now) if able else None
    return Forecast(
        model=model.ref,
        engine=model.engine,
        pool=model.pool,
        tier=job.priority,
        batch_key=placed.batch_key,
        price_s=placed.price_s,
        price_error=round(estimate.error, 3),
        price_runs=runs,
        position=eta.position if eta else None,
        workers=len(able),
        eta_s=round(eta.eta_s, 3) if eta else None,
        eta_low_s=round(eta.low_s, 3) if eta else None,
        eta_high_s=round(eta.high_s, 3) if eta else None,
    )


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
    able = _count(told.workers, "worker")
    yield f"  waiting  {able}" if told.position is None else f"  waiting  {_count(told.position, 'job')} in front, {able}"
    yield f"  done     {_when(told)}"


def _when(told: Forecast) -> str:
    if told.eta_s is None or told.eta_low_s is None or told.eta_high_s is None:
        return "unknown: no worker can run it" if not told.workers else "unknown: no scheduler says"
    return f"in about {show.span(told.eta_s)} ({show.between(told.eta_low_s, told.eta_high_s)})"
