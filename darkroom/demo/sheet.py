"""The contact sheet: every picture of the demo under its prompt."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 5
CELL = 240
"""Side of the square in which a picture stands (pixels)."""
GAP = 20
CAPTION = 84
"""Height of what is written below a picture (pixels)."""
LINE = 18
FONT = ImageFont.load_default(15)
SMALL = ImageFont.load_default(12)
INK, GREY, PAPER, FRAME = "#202020", "#707070", "#ffffff", "#d0d0d0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Print:
    """One picture and what is written below it."""

    file: Path
    caption: str
    credit: str


def draw_sheet(prints: Sequence[Print], target: Path) -> None:
    """Write all of them as one PNG."""
    rows = -(-len(prints) // COLUMNS)
    size = (COLUMNS * (CELL + GAP) + GAP, rows * (CELL + CAPTION + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    for number, one in enumerate(prints):
        row, column = divmod(number, COLUMNS)
        _place(sheet, one, GAP + column * (CELL + GAP), GAP + row * (CELL + CAPTION + GAP))
    sheet.save(target)


def _place(sheet: Image.Image, one: Print, left: int, top: int) -> None:
    picture = _fitted(one.file)
    x, y = left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2
    sheet.paste(picture, (x, y))
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((x - 1, y - 1, x + picture.width, y + picture.height), outline=FRAME)
    lines = textwrap.wrap(one.caption, 32)[:3]
    for number, text in enumerate(lines):
        pen.text((left + CELL // 2, top + CELL + 6 + number * LINE), text, INK, FONT, anchor="ma")
    pen.text((left + CELL // 2, top + CELL + 8 + len(lines) * LINE), one.credit, GREY, SMALL, anchor="ma")


def _fitted(file: Path) -> Image.Image:
    """As large as the cell allows, whole multiples smoothed like a photograph."""
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    scale = CELL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)
