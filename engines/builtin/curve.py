"""Draws the training curves and keeps their numbers.

python -m engines.builtin.curve --work .darkroom-train --out docs/builtin-model
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT, EDGE = 900, 420, 50
INK, GRID = (40, 40, 40), (220, 220, 220)
LINES = {"loss": (34, 78, 206), "held-out": (215, 32, 38), "training": (38, 156, 62)}

Points = list[tuple[float, float]]


def read(log: Path, name: str) -> Points:
    """(step, figure) pairs of one figure of a log, in order."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [(float(line["step"]), float(line[name])) for line in lines if name in line]


def draw_curves(curves: dict[str, Points], path: Path) -> None:
    """A PNG with all curves over one axis of steps; figures are clipped to 0 … 1."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    last = max((step for points in curves.values() for step, _ in points), default=1.0)
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        pen.line([(EDGE, y), (WIDTH - EDGE, y)], fill=GRID)
        pen.text((12, y - 6), f"{tenth / 10:.1f}", fill=INK)
        pen.text((_x(tenth / 10) - 10, HEIGHT - EDGE + 8), f"{last * tenth / 10:.0f}", fill=INK)
    for place, (name, points) in enumerate(curves.items()):
        colour = LINES[name.split(",")[0]]
        pen.line([(_x(step / last), _y(value)) for step, value in points], fill=colour, width=2)
        pen.text((WIDTH // 2, EDGE // 2 + 14 * place), name, fill=colour)
    image.save(path, optimize=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".darkroom-train"))
    parser.add_argument("--out", type=Path, default=Path("docs/builtin-model"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    folder = options.work / "transformer"
    curves = {
        "loss": read(folder / "log.jsonl", "loss"),
        "held-out, all right": read(folder / "log.jsonl", "held-out all"),
        "training, all right": read(folder / "log.1.jsonl", "training all"),
    }
    draw_curves(curves, options.out / "training.png")
    stages = {stage: read(options.work / stage / "log.jsonl", "loss") for stage in ("vae", "text", "decoder")}
    with (options.out / "training.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["curve", "step", "value"])
        for name, points in (curves | stages).items():
            rows.writerows([name, int(step), value] for step, value in points)


def _x(share: float) -> float:
    return EDGE + share * (WIDTH - 2 * EDGE)


def _y(value: float) -> float:
    return HEIGHT - EDGE - min(max(value, 0.0), 1.0) * (HEIGHT - 2 * EDGE)


if __name__ == "__main__":
    main()
