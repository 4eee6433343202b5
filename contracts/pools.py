"""What the scheduler of a pool tells of it, once a second on `pools`: enough to say when a job may be done."""

from __future__ import annotations

from msgspec import Struct

from contracts.events import Tier


class TenantQueue(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What one tenant has waiting in one tier."""

    tenant: str
    jobs: int
    gpu_s: float
    """Predicted GPU-seconds, each job run alone: the unit of all work in a `PoolState`."""
    coming: float
    """GPU-seconds that come a second, lately."""
    oldest_at: float
    """When the oldest of them was admitted."""
    newest_at: float
    """And the newest."""
    weight: float = 1.0


class TierQueue(Struct, frozen=True, kw_only=True, array_like=True):
    """What waits in one tier."""

    jobs: int = 0
    gpu_s: float = 0.0
    coming: float = 0.0
    """GPU-seconds that come a second, lately."""
    usual: float = 0.0
    """The same over a longer time."""
    seen_at: float = 0.0
    """When the last job that is counted here was admitted; what was admitted later comes on top."""
    tenants: list[TenantQueue] = []
    """Those with most, most first."""


class ModelQueue(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What waits for one model, of all tiers."""

    gpu_s: float = 0.0
    holders: int = 0
    """Workers that hold it."""
    load_s: float = 0.0
    """What loading it takes."""


class Band(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How forecasts of about this length turned out: factors between them and what was."""

    low: float
    """One of ten jobs took less than this times the forecast."""
    middle: float
    high: float
    """One of ten took more."""


class PoolState(Struct, frozen=True, kw_only=True):
    """What waits in a pool, and how fast it goes."""

    pool: str
    at: float
    workers: int = 0
    """Alive."""
    free: bool = False
    """Whether one of them has nothing to do."""
    busy_s: float = 0.0
    """Until what they have is done, on average over them."""
    gain: float = 1.0
    """GPU-seconds of jobs that a full batch gets through in a second."""
    full: float = 1.0
    """Jobs in such a batch."""
    tiers: dict[Tier, TierQueue] = {}
    models: dict[str, ModelQueue] = {}
    bands: dict[int, Band] = {}
    """By length of forecast; see `streams/policy/calibrate.py`."""
