"""What each tenant may use, and its share where work competes: the file that operators write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from contracts.codec import Invalid, at_fault

T = TypeVar("T")

Positive = Annotated[float, Meta(gt=0)]
Amount = Annotated[float, Meta(ge=0)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast work is let in. What is left out is not limited."""

    jobs_per_s: Positive | None = None
    burst_jobs: Positive | None = None
    """Jobs let in at once after a rest. Left out: one second's worth, at least one job."""
    backlog_jobs: Amount | None = None
    """Jobs above the rate that are deferred before more are refused as `busy`. Left out: an hour's worth."""
    gpu_s_per_s: Positive | None = None
    """Predicted GPU-seconds a second: 2 is what keeps two devices busy."""
    burst_gpu_s: Positive | None = None
    """Left out: ten seconds' worth."""
    backlog_gpu_s: Amount | None = None
    """Left out: an hour's worth."""


class Tenant(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tenant."""

    weight: Positive = 1.0
    """Its share of the GPUs against that of others who wait in the same tier."""
    max_price_s: Positive | None = None
    """The dearest job it may send (predicted GPU-seconds)."""


class Tenants(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    everybody: Limits = Limits()
    """For all tenants together."""
    default: Tenant = Tenant()
    """For each tenant that is not named."""
    tenants: dict[str, Tenant] = {}

    def of(self, name: str) -> Tenant:
        """What holds for this tenant."""
        return self.tenants.get(name, self.default)


def load_tenants(file: Path) -> Tenants:
    """Read the file; a named tenant takes what it does not say from `[default]`. Raises ValueError naming file and field."""
    try:
        return _tenants(tomllib.loads(file.read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, Invalid) as error:
        raise ValueError(f"{file}: {error}") from None


def _tenants(said: dict[str, Any]) -> Tenants:
    unknown = next(iter(said.keys() - set(Tenants.__struct_fields__)), None)
    if unknown is not None:
        raise Invalid(unknown, "is not a known section")
    default, named = _table(said, "default"), _table(said, "tenants")
    return Tenants(
        everybody=_read(_table(said, "everybody"), Limits, "everybody"),
        default=_read(default, Tenant, "default"),
        tenants={name: _read({**default, **_table(named, name, "tenants.")}, Tenant, f"tenants.{name}") for name in named},
    )


def _table(said: dict[str, Any], name: str, above: str = "") -> dict[str, Any]:
    table = said.get(name, {})
    if not isinstance(table, dict):
        raise Invalid(above + name, "is not a section")
    return table


def _read(said: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        fault = at_fault(str(error))
        raise Invalid(f"{where}.{fault.field}", fault.reason) from None
