"""Pictures as people send them."""

from __future__ import annotations

import io

from PIL import Image


def png(side: int, colour: tuple[int, int, int] = (200, 30, 30), file_format: str = "PNG") -> bytes:
    """A square of one colour, as a file."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, file_format)
    return stream.getvalue()
