"""Plots of the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import matplotlib as mpl
from matplotlib.figure import Figure

from loadtest.simulate.measures import Measures

mpl.use("agg")

COLOURS = {"darkroom": "#d9772b", "fifo": "#c4ccd4", "window": "#7b8794", "buckets": "#6b9ac4", "deadline": "#5a9367"}


class Drawn(Protocol):
    """What is drawn of a trace."""

    @property
    def trace(self) -> str:
        """Its name."""
        ...

    @property
    def bound(self) -> float:
        """At scale 1."""
        ...

    @property
    def runs(self) -> list[Measures]:
        """Of all policies and scales."""
        ...


def draw_values(contests: Sequence[Drawn], file: Path) -> None:
    """A bar for each policy on each trace, and the bound as a line over them."""
    names = [one.policy for one in contests[0].runs if one.scale == 1.0]
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        values = [next(one.value for one in of.runs if one.policy == name and one.scale == 1.0) for of in contests]
        axes.bar([x + (place + 0.5) * width - 0.4 for x in range(len(contests))], values, width, color=COLOURS[name], label=name)
    for x, contest in enumerate(contests):
        axes.plot([x - 0.42, x + 0.42], [contest.bound] * 2, color="black", linewidth=1.2, label="" if x else "bound")
    axes.set_xticks(range(len(contests)), [one.trace for one in contests])
    axes.set_ylabel("value: jobs in their goals, by tier")
    axes.legend(ncols=6, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
    figure.savefig(file, dpi=110)


def draw_scales(contests: Sequence[Drawn], file: Path) -> None:
    """How many jobs are in their goals when these are longer: one panel a trace."""
    columns = 4
    figure = Figure(figsize=(11, 2.6 * -(-len(contests) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(contests) // columns), columns, squeeze=False, sharey=True)
    for axes, contest in zip(panels.flat, contests, strict=False):
        for name in dict.fromkeys(one.policy for one in contest.runs):
            runs = sorted((one.scale, one.attainment) for one in contest.runs if one.policy == name)
            axes.plot([x for x, _ in runs], [y for _, y in runs], marker="o", markersize=3, color=COLOURS[name], label=name)
        axes.set_title(contest.trace, fontsize=10)
        axes.set_ylim(0, 1.02)
    for axes in panels.flat[len(contests) :]:
        axes.set_visible(False)
    panels[0][0].set_ylabel("jobs in their goals")
    panels[0][0].legend(fontsize=7, frameon=False)
    figure.supxlabel("goals, times", fontsize=9)
    figure.savefig(file, dpi=110)
