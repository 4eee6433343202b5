"""The fault plan, drawn from the seed: who is struck, how, and after how long a life."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Blow = Literal["kill", "term", "freeze", "restart", "outage", "flush"]
"""kill: SIGKILL. term: SIGTERM. freeze: SIGSTOP, later SIGCONT. restart: stopped in order and started. outage: of a server,
away or answering badly for a while, as the actor understands it. flush: all that it remembers is gone."""

WEIGHTS: dict[Blow, int] = {"kill": 70, "term": 15, "freeze": 15}
"""How processes are struck, in percent."""

FROZEN_S = (2.0, 6.0)
"""How long beyond its session a process stays frozen (seconds)."""
BROKER_LIFE_S = (20.0, 45.0)
BROKER_DOWN_S = (0.5, 4.0)
CACHE_LIFE_S = (3.0, 15.0)
CACHE_AWAY_S = (1.0, 10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One blow."""

    actor: str
    """Name of who is struck."""
    blow: Blow
    after_s: float
    """Since it was ready (seconds)."""
    hold_s: float = 0.0
    """How long it stays frozen or away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Struck:
    """A blow that was dealt."""

    fault: Fault
    at: float
    """Seconds since the epoch."""
    life: int
    """Which life of the actor it hit, from 1."""


class Actor(Protocol):
    """Who can be struck: a process, a broker, the proxy before a store."""

    name: str

    async def ready(self) -> None:
        """Returns when it works (again)."""
        ...

    async def strike(self, fault: Fault) -> None:
        """Deal one blow; returns when it is over, though perhaps not yet got over."""
        ...

    @property
    def life(self) -> int:
        """Lives begun so far."""
        ...


def process_faults(seed: int, actor: str, *, session_s: float, life_s: tuple[float, float]) -> Iterator[Fault]:
    """Blows for one process, without end."""
    chance = random.Random(f"faults-{seed}-{actor}")
    blows, weights = list(WEIGHTS), list(WEIGHTS.values())
    while True:
        blow = chance.choices(blows, weights)[0]
        hold = session_s + chance.uniform(*FROZEN_S) if blow == "freeze" else 0.0
        yield Fault(actor=actor, blow=blow, after_s=chance.uniform(*life_s), hold_s=hold)


def broker_faults(seed: int, actor: str) -> Iterator[Fault]:
    """Restarts for the brokers, in order and hard, without end."""
    chance = random.Random(f"faults-{seed}-{actor}")
    while True:
        blow: Blow = chance.choice(("kill", "restart"))
        yield Fault(actor=actor, blow=blow, after_s=chance.uniform(*BROKER_LIFE_S), hold_s=chance.uniform(*BROKER_DOWN_S))


def outage_faults(seed: int, actor: str, *, life_s: tuple[float, float], hold_s: tuple[float, float]) -> Iterator[Fault]:
    """Outages of a store, without end."""
    chance = random.Random(f"faults-{seed}-{actor}")
    while True:
        yield Fault(actor=actor, blow="outage", after_s=chance.uniform(*life_s), hold_s=chance.uniform(*hold_s))


def cache_faults(seed: int, actor: str) -> Iterator[Fault]:
    """A cache killed (empty when it is back), frozen and flushed, without end."""
    chance = random.Random(f"faults-{seed}-{actor}")
    while True:
        blow: Blow = chance.choice(("kill", "freeze", "flush"))
        hold = 0.0 if blow == "flush" else chance.uniform(*CACHE_AWAY_S)
        yield Fault(actor=actor, blow=blow, after_s=chance.uniform(*CACHE_LIFE_S), hold_s=hold)
