"""How a bug is planted: functions are replaced by name before a part begins; a name that is gone is an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import msgspec

from loadtest.storm.options import Options, Places

ALL = ("streams", "settle", "gpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """A mistake, and what must notice it."""

    plant: Callable[[], None]
    breaks: str
    """Name of an invariant that must not hold any more."""
    strikes: tuple[str, ...] = ALL
    """Whom the storm strikes for the mistake to show."""
    backlog: bool = False
    """Whether it shows only where jobs wait: then runs are so slow that they do."""
    stores: Places = "embedded"
    """Where it shows."""


SLOW_S = 1.0
"""Time of a run with which the workers of a small storm do not keep up (seconds)."""

BUGS: dict[str, Bug] = {}


def bug(
    breaks: str, strikes: tuple[str, ...] = ALL, *, backlog: bool = False, stores: Places = "embedded"
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a bug under its function's name."""

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        BUGS[plant.__name__] = Bug(plant=plant, breaks=breaks, strikes=strikes, backlog=backlog, stores=stores)
        return plant

    return register


def with_bug(options: Options, name: str) -> Options:
    """The same storm with a bug planted, and only those struck who bring it out."""
    if not name:
        return options
    planted = BUGS[name]
    run_s = SLOW_S if planted.backlog else options.run_s
    return msgspec.structs.replace(options, bug=name, strikes=planted.strikes, run_s=run_s, stores=planted.stores)


def swap(place: str, make: Callable[[Any], Any]) -> None:
    """Replace `module:name` or `module:Class.name` by what `make` makes of it."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    setattr(owner, name, make(getattr(owner, name)))
