"""`python -m loadtest.simulate.figures`: the pictures of docs/scheduling.md, one an idea, each from simulated runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from contracts.events import Tier
from loadtest.simulate.contest import play
from loadtest.simulate.fleet import asked, base
from loadtest.simulate.measures import in_goal, measure
from loadtest.simulate.plots import COLOURS
from loadtest.simulate.policies import BATCH_WAIT_S, OURS
from loadtest.simulate.simulation import Run, Simulation, catalog_of
from loadtest.simulate.trace import Item, Scenario
from loadtest.simulate.traces import TRACES, Draw
from streams.policy import workers
from streams.policy.batching import Scheduler
from streams.policy.cost_model import CostModel
from streams.policy.fill import CatalogCaps
from streams.policy.floor import Floor

mpl.use("agg")

SEED = 1
OTHER = "#7b8794"


class Usual(Scheduler):
    """By tier and turn, whoever has time."""

    def _rushes(self, now: float) -> bool:
        del now
        return False


def play_with(scenario: Scenario, kind: type[Scheduler] = Scheduler, floor: Floor | None = None) -> Run:
    """Another form of the scheduler."""
    catalog = catalog_of(scenario)
    caps, costs = CatalogCaps(catalog), CostModel(catalog)
    policy = kind(caps, batch_wait_s=BATCH_WAIT_S, costs=costs, floor=floor)
    return Simulation(scenario, policy, caps, costs, name=OURS).run()


def took(run: Run, wanted: Callable[[Item], bool]) -> list[tuple[float, float]]:
    """When each of these jobs came, and how long it took (seconds); those without a result are left out."""
    pairs = zip(run.scenario.items, run.fates, strict=True)
    return [(item.at, fate.done_at - item.at) for item, fate in pairs if fate.done_at is not None and wanted(item)]


def turns(axes: Axes) -> None:
    """One tenant sends ten times as much as any other from the second minute on."""
    scenario = TRACES["greedy"](SEED)
    for policy, colour in (("fifo", OTHER), (OURS, COLOURS[OURS])):
        points = took(play(scenario, policy), lambda item: item.tenant != "greedy" and item.tier == "ordinary")
        axes.scatter([at for at, _ in points], [seconds for _, seconds in points], s=3, color=colour, label=policy)
    axes.set_ylabel("others' ordinary jobs (s)")
    axes.set_xlabel("time (s); one tenant sends ten times its share from 60 to 360")


def floor(axes: Axes) -> None:
    """More paid work than the pool can do, and a few ordinary jobs."""
    draw, model = Draw("floor", SEED), base()
    items = [draw.item(at, model, asked(model)) for at in draw.times(lambda _: 9.0, 9.0, 240)]
    tiers: Sequence[Tier] = ["paid", "ordinary"]
    mixed = [msgspec.structs.replace(one, tier=tiers[n % 10 == 0], goal_s=1000.0, tenant="t") for n, one in enumerate(items)]
    scenario = Scenario(name="floor", about="", items=mixed, models=(model,), workers=1, seed=SEED)
    for share, colour in ((0.0, OTHER), (0.05, COLOURS[OURS])):
        run = play_with(scenario, Usual, Floor(share))
        pairs = zip(run.scenario.items, run.fates, strict=True)
        ends = sorted(fate.done_at for item, fate in pairs if item.tier == "ordinary" and fate.done_at and fate.done_at < 380)
        axes.step(ends, range(1, len(ends) + 1), color=colour, label=f"floor {share:.0%}")
    axes.set_ylabel("ordinary jobs done")
    axes.set_xlabel("time (s); more paid jobs wait all the time than can run")


def slack(axes: Axes) -> None:
    """The burst, with and without looking at who has time."""
    scenario = TRACES["burst"](SEED)
    for name, kind, colour in (("tier and turn only", Usual, OTHER), ("who has time gives way", Scheduler, COLOURS[OURS])):
        run = play_with(scenario, kind)
        axes.plot(*zip(*_by_second(run), strict=True), color=colour, label=name)
    axes.set_ylabel("jobs in their goals")
    axes.set_xlabel("submitted at (s); 1,000 jobs/s from 8 to 13, 100 otherwise")


def _by_second(run: Run) -> Iterable[tuple[int, float]]:
    good: dict[int, list[bool]] = {}
    for item, ok in zip(run.scenario.items, in_goal(run), strict=True):
        good.setdefault(int(item.at), []).append(ok)
    return [(second, sum(several) / len(several)) for second, several in sorted(good.items())]


def late(axes: Axes) -> None:
    """How long paid jobs take when the next batch is formed as soon as there is room, and shortly before it is needed."""
    scenario = TRACES["tight"](SEED)
    for name, ahead_s, colour in (("as soon as there is room", 1e9, OTHER), ("late", workers.AHEAD_S, COLOURS[OURS])):
        with patch.object(workers, "AHEAD_S", ahead_s):
            times = sorted(seconds for _, seconds in took(play_with(scenario), lambda item: item.tier == "paid"))
        axes.plot(times, [(place + 1) / len(times) for place in range(len(times))], color=colour, label=name)
    axes.set_ylabel("share of paid jobs")
    axes.set_xlabel("seconds to the result (trace: tight)")
    axes.set_xlim(0, 5)


def company(axes: Axes) -> None:
    """Jobs with a result by the time, alone and in batches."""
    scenario = TRACES["steady"](SEED)
    for policy, colour in (("fifo", OTHER), (OURS, COLOURS[OURS])):
        ends = sorted(fate.done_at for fate in play(scenario, policy).fates if fate.done_at is not None)
        axes.plot(ends, range(1, len(ends) + 1), color=colour, label={"fifo": "one at a time", OURS: "in batches"}[policy])
    axes.set_ylabel("jobs done")
    axes.set_xlabel("time (s); 8 jobs/s (trace: steady)")


def warm(axes: Axes) -> None:
    """What workers do with their time where there are more models than they hold."""
    scenario = TRACES["zoo"](SEED)
    measured = [measure(play(scenario, policy)) for policy in ("deadline", "window", OURS)]
    names = [one.policy for one in measured]
    axes.barh(names, [one.busy for one in measured], color=COLOURS[OURS], label="running")
    axes.barh(names, [one.loading for one in measured], left=[one.busy for one in measured], color=OTHER, label="loading models")
    axes.set_xlabel("share of the workers' time (trace: zoo)")


FIGURES: Mapping[str, Callable[[Axes], None]] = {
    "turns": turns,
    "floor": floor,
    "slack": slack,
    "late": late,
    "company": company,
    "warm": warm,
}


def draw(name: str, folder: Path) -> Path:
    """One of them, as a small PNG."""
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    FIGURES[name](axes)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    file = folder / f"{name}.png"
    figure.savefig(file, dpi=90)
    return file


def main() -> None:
    """Draw all, or some."""
    options = argparse.ArgumentParser(prog="python -m loadtest.simulate.figures", description=__doc__)
    options.add_argument("names", nargs="*", help=f"of {', '.join(FIGURES)} (default: all)")
    options.add_argument("--out", type=Path, default=Path("docs/scheduling"), help="folder (default %(default)s)")
    args = options.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or FIGURES:
        print(draw(name, args.out))


if __name__ == "__main__":
    main()
