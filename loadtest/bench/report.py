"""The bench's report: a page, the same as JSON, and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont

from loadtest import figures
from loadtest.figures import percentile


class Report(Struct, frozen=True, kw_only=True):
    """Everything measured in one run. Throughputs are jobs/s, one value a round, sides interleaved."""

    command: str
    machine: str
    jobs: int
    throughput: dict[str, list[float]]
    cpu_us: dict[str, float]
    records_per_job: dict[str, float]
    latency_rate: float
    latency_ms: dict[str, dict[str, float]]
    """Of dispatch and of the result, at `latency_rate` jobs/s: p50, p95, p99 in milliseconds."""


def file_system(folder: Path) -> str:
    """The kind of file system a folder is on: a job makes a file, and what that costs differs tenfold."""
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    return next((mounts[one] for one in (folder.resolve(), *folder.resolve().parents) if one in mounts), "unknown")


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of seconds, in milliseconds."""
    ordered = sorted(values)
    return {f"p{p}": round((percentile(ordered, p) or 0.0) * 1e3, 1) for p in (50, 95, 99)}


def write_report(report: Report, folder: Path) -> None:
    """`bench.json`, `bench.md` and `bench.png` in `folder`."""
    figures.write_report(report, page(report), folder, "bench")
    plot(report).save(folder / "bench.png")


def page(report: Report) -> str:
    """The report in Markdown."""
    base = median(report.throughput["dramatiq"])
    lines = [*_head(report), "", "| side | jobs/s, median | min–max | against Dramatiq |", "|---|---|---|---|"]
    for name, values in report.throughput.items():
        spread = f"{min(values):,.0f}–{max(values):,.0f}"
        lines.append(f"| {name} | {median(values):,.0f} | {spread} | {median(values) / base:.2f}× |")
    lines += [
        "",
        f"Open loop at {report.latency_rate:,.0f} jobs/s (half the median):",
        "",
        "| from submission to | p50 | p95 | p99 |",
        "|---|---|---|---|",
    ]
    lines += [f"| {what} | {p['p50']} ms | {p['p95']} ms | {p['p99']} ms |" for what, p in report.latency_ms.items()]
    lines += ["", "| process | CPU µs a job |", "|---|---|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in report.cpu_us.items()]
    lines += [f"| sum | {sum(report.cpu_us.values()):.0f} |", "", "| topic | records a job |", "|---|---|"]
    lines += [f"| {name} | {value:.3f} |" for name, value in report.records_per_job.items() if value >= 0.0005]
    lines += [f"| sum | {sum(report.records_per_job.values()):.2f} |", "", "![jobs/s by side](bench.png)", ""]
    return "\n".join(lines)


def _head(report: Report) -> list[str]:
    return [
        "# Bench: no-op jobs",
        "",
        f"`{report.command}` on {report.machine}. {report.jobs} jobs a round, {len(report.throughput['darkroom'])} rounds,",
        "the sides in turn within each round. Darkroom: from the first send to the last result as a read_committed reader",
        "sees it, broker, stores and client on the same machine. Celery and Dramatiq: from the first send to the last",
        "acknowledgement, on Valkey with default settings (nothing written to disk), late acknowledgement, no results.",
        "Pass-through: the same bytes from one topic to another by bare aiokafka.",
    ]


def plot(report: Report) -> Image.Image:
    """Bars of the median throughput, with the spread of the rounds as a line."""
    names, row, left, width = list(report.throughput), 54, 150, 560
    top = max(max(values) for values in report.throughput.values())
    image = Image.new("RGB", (left + width + 110, 46 + row * len(names)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    draw.text((12, 12), "no-op jobs a second (bar: median; line: spread of rounds)", "#333333", font)
    for index, name in enumerate(names):
        values, y = report.throughput[name], 46 + row * index
        _bar(draw, font, name, [v / top * width for v in (min(values), median(values), max(values))], (left, y))
        draw.text((left + max(values) / top * width + 8, y + 9), f"{median(values):,.0f}", "#333333", font)
    return image


def _bar(draw: ImageDraw.ImageDraw, font: Any, name: str, sizes: Sequence[float], at: tuple[int, int]) -> None:
    (low, mid, high), (x, y) = sizes, at
    draw.text((12, y + 9), name, "#333333", font)
    draw.rectangle((x, y, x + mid, y + 34), fill="#d9772b" if name == "darkroom" else "#9aa5b1")
    draw.line((x + low, y + 17, x + high, y + 17), fill="#333333", width=2)
