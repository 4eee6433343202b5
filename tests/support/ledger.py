"""Was everything that went in told, and how often? The checker of every kill test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """What is wrong between what was sent and what was seen; falsy if nothing is."""

    missing: list[str]
    doubled: list[str]
    unknown: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.doubled or self.unknown)

    def __str__(self) -> str:
        found = {"missing": self.missing, "doubled": self.doubled, "unknown": self.unknown}
        return "; ".join(f"{len(ids)} {what}, e.g. {ids[:3]}" for what, ids in found.items() if ids)


def once_each(sent: Iterable[str], seen: Iterable[str]) -> Discrepancy:
    """Every id that was sent must have been seen exactly once, and no other."""
    return _compare(set(sent), Counter(seen), most=1)


def at_least_once_each(sent: Iterable[str], seen: Iterable[str]) -> Discrepancy:
    """Every id that was sent must have been seen, and no other; seeing one again is no fault."""
    return _compare(set(sent), Counter(seen), most=None)


def _compare(sent: set[str], seen: Counter[str], most: int | None) -> Discrepancy:
    return Discrepancy(
        missing=sorted(sent - set(seen)),
        doubled=sorted(one for one, times in seen.items() if most is not None and times > most),
        unknown=sorted(set(seen) - sent),
    )
