"""Untrusted image bytes in, numbers out. Three formats, a cap on pixels before anything is unpacked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from engines.errors import Unsupported

FORMATS = ("PNG", "JPEG", "WEBP")
"""What people send. Pillow knows dozens of formats more, and their decoders are where its holes were."""
START_OF_SCAN = b"\xff\xda"
MAX_SCANS = 64
"""Of a JPEG. Encoders make about ten, and a thumbnail a few more; each takes time for the whole picture and but a few bytes."""


def look(data: bytes, *, max_pixels: int) -> tuple[int, int]:
    """Width and height from the header alone. Raises Unsupported naming ``image``."""
    with _opened(data, max_pixels) as image:
        return image.size


def read(data: bytes, width: int, height: int, *, max_pixels: int) -> npt.NDArray[np.float32]:
    """Pixels in -1 … 1, 3 × height × width, scaled and cropped to fill. Raises Unsupported naming ``image``."""
    with _opened(data, max_pixels) as image:
        fitted = ImageOps.fit(_upright(image).convert("RGB"), (width, height), Image.Resampling.LANCZOS)
        pixels = np.asarray(fitted, dtype=np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) / np.float32(127.5) - np.float32(1.0)


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check(image, data, max_pixels)
            yield image
    except (Unsupported, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - damaged files come out of decoders as every kind of exception
        # Pillow's texts may quote what it read.
        raise Unsupported("image", "is not a readable PNG, JPEG or WebP picture") from None


def _check(image: Image.Image, data: bytes, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise Unsupported("image", f"has more than {max_pixels} pixels")
    if image.format not in {"PNG", "WEBP"} and data.count(START_OF_SCAN) > MAX_SCANS:
        raise Unsupported("image", f"has more than {MAX_SCANS} scans")


def _upright(image: Image.Image) -> Image.Image:
    """As its camera says. Whoever damaged what the camera said may have left the picture whole."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - struct.error and more, by the byte that is wrong
        return image
