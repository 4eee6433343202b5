"""The traces. Each is the same for the same seed.

What is known of real traffic is taken from GenTD26, Alibaba's trace of a Stable Diffusion service (alibaba/clusterdata,
cluster-trace-v2026-GenAI; 26,823 requests of 4,247 users in 24 days), as counted in its `lora_request_trace.csv` and `qps.csv`:
pictures a request, steps, how skewed models and users are, how the hour of the day shows, and that within an hour arrivals
are as good as random (coefficient of variation 1.02 in the median of the 93 hours with 100 requests or more).

Rates and pools are scaled so that a trace is through in seconds of computing: 4 to 16 workers, about 10,000 jobs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from contracts.events import Tier
from contracts.work import Resolved
from loadtest.simulate.fleet import asked, base, turbo, video
from loadtest.simulate.noop import noop
from loadtest.simulate.trace import Item, Scenario, read_items
from loadtest.simulate.truth import Model

PICTURES = ((1, 0.579), (2, 0.082), (4, 0.191), (8, 0.148))
"""Of a request in GenTD26."""

STEPS = ((30, 0.912), (40, 0.055), (50, 0.008), (25, 0.010), (20, 0.005), (60, 0.004), (100, 0.006))
"""Likewise; the sizes next to these are counted with them."""

MODELS = (0.307, 0.150, 0.094, 0.079, 0.075, 0.043, 0.036, 0.030)
"""Requests of the eight models used most, of 87."""

NIGHT = (3.43, 0.98, 1.05, 1.08, 0.60, 0.32, 0.30, 0.23, 0.11, 0.04, 0.03, 0.02)
DAY = (0.02, 0.02, 0.02, 0.04, 0.57, 2.10, 2.48, 0.56, 0.98, 2.97, 2.97, 3.16)
HOURS = NIGHT + DAY
"""Requests in each hour of the day, as shares of the mean; the four empty hours get the least of the others."""

TENANTS = 40
SKEW = 1.0
"""Zipf's exponent: with 40 tenants the first tenth of them sends 49 % of the requests; in GenTD26 it is 57 %."""

TIER_SHARE: Sequence[tuple[Tier, float]] = (("paid", 0.2), ("urgent", 0.1), ("ordinary", 0.7))
GOALS: Mapping[Tier, tuple[float, float]] = {"paid": (3.0, 1.0), "urgent": (4.0, 2.0), "ordinary": (8.0, 5.0)}
"""A job's latency goal: so many times what it takes alone, plus so many seconds."""


class Draw:
    """Random choices of one trace."""

    def __init__(self, name: str, seed: int) -> None:
        self.random = random.Random(f"{name}/{seed}")
        self._tenants = [1 / (rank + 1) ** SKEW for rank in range(TENANTS)]

    def pick(self, choices: Sequence[tuple[int, float]]) -> int:
        """One of these, by their shares."""
        return self.random.choices([one for one, _ in choices], [share for _, share in choices])[0]

    def tier(self) -> Tier:
        """By their shares."""
        return self.random.choices([one for one, _ in TIER_SHARE], [share for _, share in TIER_SHARE])[0]

    def tenant(self) -> str:
        """Few send much."""
        return f"tenant-{self.random.choices(range(TENANTS), self._tenants)[0]}"

    def times(self, rate: Callable[[float], float], peak: float, until: float) -> Iterator[float]:
        """Random arrivals at a rate that changes with time (jobs/s, at most `peak`), by thinning."""
        at = 0.0
        while (at := at + self.random.expovariate(peak)) < until:
            if self.random.random() < rate(at) / peak:
                yield at

    def item(
        self, at: float, model: Model, resolved: Resolved, *, tenant: str = "", tight: float = 1.0, plus_s: float = 0.0
    ) -> Item:
        """A job of some tier, with the goal that goes with it; `tight` times as long, and `plus_s` longer."""
        tier = self.tier()
        times, plus = GOALS[tier]
        goal = tight * (times * model.alone_s(resolved) + plus) + plus_s
        who = tenant or self.tenant()
        return Item(at=round(at, 6), tenant=who, tier=tier, model=model.spec.ref, resolved=resolved, goal_s=round(goal, 6))


def _constant(rate: float) -> Callable[[float], float]:
    return lambda _: rate


SIDES = ((512, 0.7), (768, 0.2), (1024, 0.1))


def steady(seed: int) -> Scenario:
    """One rate."""
    draw, model = Draw("steady", seed), base()
    times = draw.times(_constant(8.0), 8.0, 600)
    items = [draw.item(at, model, asked(model, side=draw.pick(SIDES))) for at in times]
    return Scenario(name="steady", about="8 jobs/s in three sizes", items=items, models=(model,), workers=4, seed=seed)


def burst(seed: int) -> Scenario:
    """The only trace whose rates are not scaled down: small pictures are quick."""
    draw, model = Draw("burst", seed), turbo()
    times = draw.times(lambda at: 1000.0 if 8 <= at < 13 else 100.0, 1000.0, 28)
    items = [draw.item(at, model, asked(model, side=draw.pick(((512, 0.8), (768, 0.2))))) for at in times]
    return Scenario(name="burst", about="100 → 1,000 jobs/s for 5 s", items=items, models=(model,), workers=16, seed=seed)


def diurnal(seed: int) -> Scenario:
    """A day of GenTD26 in which an hour takes 30 s; pictures and steps as there, on one model."""
    draw, model = Draw("diurnal", seed), base()
    mean = 4.0
    times = draw.times(lambda at: mean * HOURS[int(at // 30)], mean * max(HOURS), 720)
    items = [draw.item(at, model, asked(model, steps=draw.pick(STEPS), count=draw.pick(PICTURES))) for at in times]
    return Scenario(name="diurnal", about="a day of GenTD26", items=items, models=(model,), workers=6, seed=seed)


def heavy(seed: int) -> Scenario:
    """Sizes with a heavy tail: steps by Pareto (shape 1.2, from 10 to 150), sides to 1,536, pictures as in GenTD26."""
    draw, model = Draw("heavy", seed), base()
    items = []
    for at in draw.times(_constant(4.6), 4.6, 700):
        steps = min(150, int(10 * draw.random.paretovariate(1.2)))
        side = draw.pick(((512, 0.6), (768, 0.25), (1024, 0.1), (1536, 0.05)))
        items.append(draw.item(at, model, asked(model, side=side, steps=steps, count=draw.pick(PICTURES))))
    return Scenario(
        name="heavy", about="steps, sides and pictures with a long tail", items=items, models=(model,), workers=8, seed=seed
    )


def greedy(seed: int) -> Scenario:
    """Ten tenants send 0.5 jobs/s each; from the second minute on another one sends ten times that."""
    draw, model = Draw("greedy", seed), base()
    times = draw.times(lambda at: 10.0 if 60 <= at < 360 else 5.0, 10.0, 420)
    items = []
    for at in times:
        share = 0.5 if 60 <= at < 360 else 0.0
        tenant = "greedy" if draw.random.random() < share else f"tenant-{draw.random.randrange(10)}"
        items.append(draw.item(at, model, asked(model, side=draw.pick(SIDES)), tenant=tenant))
    return Scenario(name="greedy", about="one tenant at 10 × another's rate", items=items, models=(model,), workers=4, seed=seed)


def mixed(seed: int) -> Scenario:
    """Pictures and, one job in five, a video that takes five times as long; workers have room for both models."""
    draw, image, film = Draw("mixed", seed), base(), video()
    items = []
    for at in draw.times(_constant(7.0), 7.0, 600):
        model = film if draw.random.random() < 0.2 else image
        items.append(draw.item(at, model, asked(model)))
    return Scenario(
        name="mixed", about="pictures and videos", items=items, models=(image, film), workers=7, holds=2, holding=2, seed=seed
    )


def tight(seed: int) -> Scenario:
    """Goals of half the usual length."""
    draw, model = Draw("tight", seed), base()
    times = draw.times(_constant(6.5), 6.5, 600)
    items = [draw.item(at, model, asked(model, side=draw.pick(SIDES)), tight=0.5) for at in times]
    return Scenario(name="tight", about="half the usual time", items=items, models=(model,), workers=4, seed=seed)


def zoo(seed: int) -> Scenario:
    """Eight models by their popularity in GenTD26, workers that hold three; loading takes 22.7 s, its median there.

    Goals are 45 s longer than elsewhere: whoever needs a model that nobody holds has to wait for it.
    """
    draw, models = Draw("zoo", seed), tuple(base(f"model-{n}", load_s=22.7) for n in range(len(MODELS)))
    items = []
    for at in draw.times(_constant(6.0), 6.0, 900):
        model = models[draw.pick(tuple(enumerate(MODELS)))]
        items.append(draw.item(at, model, asked(model, steps=draw.pick(STEPS), count=draw.pick(PICTURES)), plus_s=45.0))
    about = "eight models, of which a worker holds three"
    return Scenario(name="zoo", about=about, items=items, models=models, workers=8, holds=3, holding=3, seed=seed)


def recorded(seed: int) -> Scenario:
    """715 jobs as a real system got them (`loadtest.simulate.validate --seconds 60 --seed 1 --keep …`), with the usual goals."""
    model, items = noop(), []
    for item in read_items(Path(__file__).with_name("recorded.jsonl.gz")):
        times, plus = GOALS[item.tier]
        items.append(msgspec.structs.replace(item, goal_s=times * model.alone_s(item.resolved) + plus))
    return Scenario(name="recorded", about="sent to a real system", items=items, models=(model,), workers=2, seed=seed)


TRACES: Mapping[str, Callable[[int], Scenario]] = {
    "steady": steady,
    "burst": burst,
    "diurnal": diurnal,
    "heavy": heavy,
    "greedy": greedy,
    "mixed": mixed,
    "tight": tight,
    "zoo": zoo,
    "recorded": recorded,
}
