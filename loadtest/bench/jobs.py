"""The jobs of a bench: no-op, about 600 bytes each, of several tenants and tiers."""

from __future__ import annotations

from contracts.codec import encode
from contracts.events import TIERS, Inputs, Job
from contracts.records import Record

PROMPT = "a photograph of a lighthouse at dusk, waves against the rocks, warm light in the window, wide angle, " * 4


def job_records(topic: str, run: str, first: int, count: int) -> list[Record]:
    """`count` encoded events with ids `<run>-<number>`."""
    return [Record(topic, name.encode(), encode(_job(name, number))) for number, name in _names(run, first, count)]


def _names(run: str, first: int, count: int) -> list[tuple[int, str]]:
    return [(number, f"{run}-{number:08d}") for number in range(first, first + count)]


def _job(name: str, number: int) -> Job:
    inputs = Inputs(prompt=PROMPT, seed=number, steps=4)
    tier = TIERS[number % 3]
    return Job(id=name, tenant=f"tenant-{number % 5}", task="text-to-image", model="noop", inputs=inputs, priority=tier)


def sample_body() -> str:
    """One event as text: what the rivals' tasks carry, so that all move the same bytes."""
    return encode(_job("bench-00000000", 0)).decode()
