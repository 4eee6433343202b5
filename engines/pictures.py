"""Untrusted image bytes in, numbers out. Three formats, a cap on pixels before anything is unpacked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from engines.errors import Unsupported

FORMATS = ("PNG", "JPEG", "WEBP")
"""What people send. Pillow knows dozens of formats more, and their decoders are where its holes were."""

_UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,  # an error where warnings are: Pillow warns far above our own cap
    OSError,
    SyntaxError,
    ValueError,
)


def look(data: bytes, *, max_pixels: int) -> tuple[int, int]:
    """Width and height from the header alone. Raises Unsupported naming ``image``."""
    with _opened(data, max_pixels) as image:
        return image.size


def read(data: bytes, width: int, height: int, *, max_pixels: int) -> npt.NDArray[np.float32]:
    """Pixels in -1 … 1, 3 × height × width, scaled and cropped to fill. Raises Unsupported naming ``image``."""
    with _opened(data, max_pixels) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
        pixels = np.asarray(fitted, dtype=np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)) / np.float32(127.5) - np.float32(1.0)


@contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise Unsupported("image", f"has more than {max_pixels} pixels")
            yield image
    except _UNREADABLE:
        # Pillow's texts may quote what it read.
        raise Unsupported("image", "is not a readable PNG, JPEG or WebP picture") from None
