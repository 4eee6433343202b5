"""What is asked of the pool in one run: jobs with their times, and the pool itself. No prompts, no pictures."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from contracts.events import Tier
from contracts.work import Resolved
from loadtest.simulate.truth import Model


class Item(Struct, frozen=True, kw_only=True, array_like=True):
    """One job."""

    at: float
    """Submission, in seconds from the start."""
    tenant: str
    tier: Tier
    model: str
    """name@version."""
    resolved: Resolved
    goal_s: float
    """From submission to result, at scale 1: what the sender hopes for, and the job's `ttl_s`."""


class Scenario(Struct, frozen=True, kw_only=True):
    """A trace and the pool that it meets."""

    name: str
    about: str
    items: list[Item]
    models: tuple[Model, ...]
    workers: int
    holds: int = 4
    """Models that a worker's memory has room for at once."""
    holding: int = 1
    """Models that each has loaded at the start: the first ones worker after worker, as long as it takes to go round."""
    seed: int = 0
    memory: tuple[int, ...] = ()
    """Of each worker's device (bytes); none: without end."""

    @property
    def span_s(self) -> float:
        """From the start to the last submission (seconds)."""
        return self.items[-1].at

    def loaded(self, worker: int) -> list[str]:
        """The models that one has loaded at the start."""
        refs = [model.spec.ref for model in self.models]
        return [refs[(worker + place) % len(refs)] for place in range(min(self.holding, len(refs)))]


_items = msgspec.json.Decoder(Item)


def write_items(items: Iterable[Item], file: Path) -> None:
    """One JSON array a line, gzipped; the same bytes for the same items."""
    lines = b"\n".join(map(msgspec.json.encode, items))
    file.write_bytes(gzip.compress(lines, mtime=0))


def read_items(file: Path) -> list[Item]:
    """What `write_items` wrote."""
    return _items.decode_lines(gzip.decompress(file.read_bytes()))
