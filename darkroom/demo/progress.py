"""The demo while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from darkroom.demo.story import Course

COLOURS = {
    "succeeded": "green",
    "running": "cyan",
    "failed": "red",
    "unfinished": "red",
    "cancelled": "yellow",
    "expired": "yellow",
    "rejected": "yellow",
    "conflict": "yellow",
}
BAR = 12
"""Characters of a progress bar."""


@contextmanager
def shown(console: Console, courses: Sequence[Course]) -> Iterator[Callable[[Course], None]]:
    """Yield what is to be told of every change."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(get_renderable=lambda: table(courses), console=console, refresh_per_second=6, transient=True):
        yield lambda _course: None


class _Lines:
    """Says each state of a job once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._said: set[tuple[int, str]] = set()

    def __call__(self, course: Course) -> None:
        known = (course.number, course.state)
        if known not in self._said and course.state not in ("sent", "accepted"):
            self._said.add(known)
            job = course.part.job
            at = time.monotonic() - self._began
            text = f"{at:6.2f} s  {course.number:2}  {job.tenant:<10} {job.priority:<8} {course.state:<9}  {job.inputs.prompt}"
            self._console.print(text, highlight=False, soft_wrap=True, markup=False)


def table(courses: Sequence[Course]) -> Table:
    """All jobs as they stand."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    for course in courses:
        job = course.part.job
        colour = COLOURS.get(course.state, "dim")
        grid.add_row(
            str(course.number), job.tenant, job.priority, f"[{colour}]{course.state}[/]", _bar(course), job.inputs.prompt
        )
    return grid


def _bar(course: Course) -> str:
    if not course.steps or course.over:
        return ""
    done = round(BAR * course.step / course.steps)
    return f"[cyan]{'━' * done}[/][dim]{'━' * (BAR - done)}[/]"
