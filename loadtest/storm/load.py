"""What goes in, drawn from a seed: mixed tenants, tiers and batch keys; duplicates, conflicts, cancels, deadlines, bad ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from contracts.codec import encode
from contracts.events import TIERS, Control, Inputs, Job

TENANTS = ("ash", "birch", "cedar", "elm", "fir")
SIDES = (64, 96, 128)
POISON = "poisoned"
"""In the prompt of a job that breaks whatever batch it is in; the catalogue tells the engine."""

EXPIRED_S = 1e-6
"""A time to live that is over before anybody can look."""
HURRY_S = 5.0
"""One that some jobs make and some do not."""

Kind = Literal["plain", "duplicate", "conflict", "twin", "late-cancel", "early-cancel", "foreign-cancel", "expired", "hurried",
               "poison", "invalid", "unreadable"]  # fmt: skip

SHARES: dict[Kind, int] = {
    "plain": 56,
    "duplicate": 8,
    "conflict": 6,
    "twin": 5,
    "late-cancel": 6,
    "early-cancel": 3,
    "foreign-cancel": 3,
    "expired": 3,
    "hurried": 3,
    "poison": 2,
    "invalid": 3,
    "unreadable": 2,
}
"""Of a hundred ids."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """What a body on `jobs` is: its sender's knowledge, from which the oracle judges."""

    id: str
    tenant: str
    ends: frozenset[str]
    """Terminal states that are right if nobody cancels it; empty: no job, to be refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One record to send."""

    at_s: float
    """After the load began (seconds)."""
    topic: Literal["jobs", "control"]
    key: bytes
    value: bytes


@dataclass(kw_only=True)
class Load:
    """Everything to send, and what is meant by it."""

    early: list[Event] = field(default_factory=list)
    """Cancels of jobs that come later; sent, and taken note of, before all else."""
    events: list[Event] = field(default_factory=list)
    """By time."""
    intents: dict[bytes, Intent] = field(default_factory=dict)


def draw_load(seed: int, jobs: int, rate: float) -> Load:
    """The load of a seed. The kinds come in their exact shares, in random order."""
    chance = random.Random(f"load-{seed}")
    deck = [kind for kind, share in SHARES.items() for _ in range(share)]
    kinds: list[Kind] = [deck[number * len(deck) // jobs % len(deck)] for number in range(jobs)]
    chance.shuffle(kinds)
    author = _Author(chance)
    for number, kind in enumerate(kinds):
        author.write(kind, f"s{seed}-{number:06d}", number / rate)
    author.load.events.sort(key=lambda event: event.at_s)
    return author.load


class _Author:
    """Writes the events of one id after the other."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.load = Load()

    def write(self, kind: Kind, id: str, at_s: float) -> None:
        tenant = self._chance.choice(TENANTS)
        more: dict[str, Callable[[str, str, float], None]] = {
            "duplicate": self._duplicate,
            "conflict": self._conflict,
            "twin": self._twin,
            "late-cancel": self._late_cancel,
            "early-cancel": self._early_cancel,
            "foreign-cancel": self._foreign_cancel,
            "expired": lambda *job: self._job(*job, ends={"expired"}, ttl_s=EXPIRED_S),
            "hurried": lambda *job: self._job(*job, ends={"succeeded", "expired"}, ttl_s=HURRY_S),
            "poison": lambda *job: self._job(*job, ends={"failed"}, prompt=f"a {POISON} apple"),
            "invalid": self._invalid,
            "unreadable": self._unreadable,
        }
        more.get(kind, self._job)(id, tenant, at_s)

    def _job(
        self, id: str, tenant: str, at_s: float, *, ends: set[str] | None = None, prompt: str = "", ttl_s: float | None = None
    ) -> None:
        chance = self._chance
        inputs = Inputs(
            prompt=prompt or f"a tree in a storm, number {chance.randrange(10**9)}",
            width=chance.choice(SIDES),
            height=64,
            steps=chance.choice((2, 4, 6)),
            seed=chance.randrange(2**40),
        )
        tier = chance.choice(TIERS)
        job = Job(id=id, tenant=tenant, task="text-to-image", model="noop", inputs=inputs, priority=tier, ttl_s=ttl_s)
        self._jobs(id, tenant, at_s, encode(job), ends or {"succeeded"})

    def _jobs(self, id: str, tenant: str, at_s: float, body: bytes, ends: set[str]) -> None:
        self.load.intents[body] = Intent(id=id, tenant=tenant, ends=frozenset(ends))
        self.load.events.append(Event(at_s=at_s, topic="jobs", key=id.encode(), value=body))

    def _duplicate(self, id: str, tenant: str, at_s: float) -> None:
        self._job(id, tenant, at_s)
        first = self.load.events[-1]
        for _ in range(self._chance.choice((1, 1, 2))):
            again = at_s + self._chance.choice((0.0, self._chance.uniform(0, 10)))
            self.load.events.append(Event(at_s=again, topic="jobs", key=first.key, value=first.value))

    def _conflict(self, id: str, tenant: str, at_s: float) -> None:
        self._job(id, tenant, at_s)
        self._job(id, tenant, at_s + self._chance.uniform(0, 5))

    def _twin(self, id: str, tenant: str, at_s: float) -> None:
        """The same id in two tenants: two jobs."""
        self._job(id, tenant, at_s)
        self._job(id, self._other(tenant), at_s + self._chance.uniform(0, 2))

    def _late_cancel(self, id: str, tenant: str, at_s: float) -> None:
        self._job(id, tenant, at_s)
        self.load.events.append(_cancel(id, tenant, at_s + self._chance.uniform(0, 4)))

    def _early_cancel(self, id: str, tenant: str, at_s: float) -> None:
        self.load.early.append(_cancel(id, tenant, 0.0))
        self._job(id, tenant, at_s)

    def _foreign_cancel(self, id: str, tenant: str, at_s: float) -> None:
        """A cancel by somebody else, which is none."""
        self._job(id, tenant, at_s)
        self.load.events.append(_cancel(id, self._other(tenant), at_s))

    def _invalid(self, id: str, tenant: str, at_s: float) -> None:
        bad = self._chance.choice((b'"width":-64', b'"steps":0', b'"sampler":"euler"', b'"guidance":1e999'))
        head = b'{"id":"%s","tenant":"%s","task":"text-to-image","model":"noop"' % (id.encode(), tenant.encode())
        self._jobs(id, tenant, at_s, head + b',"inputs":{"prompt":"x",%s}}' % bad, set())

    def _unreadable(self, id: str, tenant: str, at_s: float) -> None:
        del tenant
        self._jobs("", "", at_s, b"{nope " + id.encode(), set())

    def _other(self, tenant: str) -> str:
        return self._chance.choice([one for one in TENANTS if one != tenant])


def _cancel(id: str, tenant: str, at_s: float) -> Event:
    return Event(at_s=at_s, topic="control", key=id.encode(), value=encode(Control(id=id, tenant=tenant, action="cancel")))


def due(events: list[Event], tick_s: float) -> Iterator[tuple[float, list[Event]]]:
    """The events in slices of so many seconds, each with its time."""
    slices: dict[int, list[Event]] = {}
    for event in events:
        slices.setdefault(int(event.at_s / tick_s), []).append(event)
    return ((number * tick_s, several) for number, several in sorted(slices.items()))
