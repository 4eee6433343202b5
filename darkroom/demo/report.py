"""What the demo leaves behind: a table, a file for each picture, a contact sheet, `results.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.markup import escape
from rich.table import Table

from darkroom.demo.progress import COLOURS
from darkroom.demo.sheet import Print, draw_sheet
from darkroom.demo.story import Course
from darkroom.save import save_outputs

NUMBERS = frozenset({"", "queued", "run", "batch"})
WIDTHS = {"": 2, "tenant": 10, "tier": 8, "size": 7, "queued": 7, "run": 7, "batch": 5, "ended": 11}
"""Columns of the table, and the characters each is given before the prompt is cut."""


def save_all(courses: Sequence[Course], folder: Path) -> list[Path]:
    """Save pictures, contact sheet and results; the pictures' files."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("[0-9][0-9]-*.*"), *folder.glob("contact-sheet.png")):
        old.unlink()
    prints = [one for course in courses for one in _prints(course, folder)]
    if prints:
        draw_sheet(prints, folder / "contact-sheet.png")
    (folder / "results.jsonl").write_bytes(b"".join(_line(course) for course in courses))
    return [one.file for one in prints]


def _prints(course: Course, folder: Path) -> list[Print]:
    """The pictures of a job; the job sent again has none of its own."""
    job, result = course.part.job, course.result
    if result is None or not result.outputs or _again(course):
        return []
    slug = re.sub(r"[^a-z]+", "-", job.inputs.prompt.lower())[:50].strip("-")
    files = save_outputs(result, folder / f"{course.number:02}-{slug}")
    return [Print(file=file, caption=job.inputs.prompt, credit=f"{job.tenant}, {job.priority}") for file in files]


def _again(course: Course) -> bool:
    return "again" in course.part.note


def _line(course: Course) -> bytes:
    fields = {
        "number": course.number,
        "job": course.part.job,
        "expected": course.part.ends,
        "ended": course.state,
        "as_expected": course.as_expected,
        "why": course.why,
        "result": course.result,
    }
    return msgspec.json.encode(fields) + b"\n"


def table(courses: Sequence[Course]) -> Table:
    """What became of each."""
    grid = Table(box=None, pad_edge=False)
    for name, width in WIDTHS.items():
        grid.add_column(name, no_wrap=True, min_width=width, justify="right" if name in NUMBERS else "left")
    grid.add_column("prompt", no_wrap=True, overflow="ellipsis", ratio=1)
    for course in courses:
        grid.add_row(*_row(course))
        if remark := _remark(course):
            grid.add_row(*[""] * len(WIDTHS), remark)
    return grid


def _remark(course: Course) -> str:
    if course.as_expected:
        return f"[dim]{course.part.note}[/]" if course.part.note else ""
    return f"[red]expected: {course.part.ends}. {escape(course.why)}[/]"


def _row(course: Course) -> tuple[str, ...]:
    job, result = course.part.job, course.result
    timings = result.timings if result else None
    ran = timings is not None and timings.run_s > 0
    return (
        str(course.number),
        job.tenant,
        job.priority,
        f"{job.inputs.width}×{job.inputs.height}",
        f"{timings.queued_s:.2f} s" if timings and ran else "",
        f"{timings.run_s:.2f} s" if timings and ran else "",
        str(result.batch.size) if result and result.batch else "",
        f"[{COLOURS.get(course.state, 'red')}]{course.state}[/]" + ("" if course.as_expected else " [red]✗[/]"),
        job.inputs.prompt,
    )
