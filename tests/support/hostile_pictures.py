"""Files sent as pictures that no engine may take, and what a decoder might do with them."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from typing import Any

from PIL import Image

from tests.support.images import png

HUGE = 50_000
"""Pixels a side: 7.5 GB once unpacked."""


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    """A PNG that says it is so large."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def saved(kind: str, side: int = 64, **options: Any) -> bytes:
    """A picture in another format."""
    out = io.BytesIO()
    Image.effect_noise((side, side), 50).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    at = min(at for at in (jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) if at >= 0)
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def many_scans(count: int) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    jpeg = saved("JPEG", progressive=True)
    last = jpeg.rfind(b"\xff\xda")
    scan = jpeg[last:-2]
    return resized(jpeg[:last] + scan * count + b"\xff\xd9", 4000, 4000)


def webp_of(width: int, height: int) -> bytes:
    """A WebP whose canvas is so large."""
    first = saved("WEBP", 8, lossless=True)[12:]
    canvas = struct.pack("<I", 0)[:4] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas + first
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_of(width: int, height: int) -> bytes:
    """A TIFF that says it is so large."""
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 1)]
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + fields + struct.pack("<I", 0)


class Weapon:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


ICC = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(100_000_000), 9))
TEXT = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100_000_000), 9))

BOMBS: dict[str, bytes] = {
    "png-of-2.5-gigapixels": png_of(HUGE, HUGE),
    "png-of-all-there-are": png_of(2**31 - 1, 2**31 - 1),
    "png-one-row-too-many": png_of(4096, 4097),
    "png-wide": png_of(2**24 + 1, 1),
    "jpeg-of-4-gigapixels": resized(saved("JPEG"), 65_500, 65_500),
    "progressive-jpeg-of-4-gigapixels": resized(saved("JPEG", progressive=True), 65_500, 65_500),
    "jpeg-of-a-thousand-scans": many_scans(1000),
    "webp-of-268-megapixels": webp_of(16_384, 16_384),
    "gif-of-4-gigapixels": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x00;",
    "tiff-of-2.5-gigapixels": tiff_of(HUGE, HUGE),
    "png-with-a-profile-of-100-megabytes": png_of(64, 64, ICC),
    "png-with-a-text-of-100-megabytes": png_of(64, 64, TEXT),
    "png-with-100-megabytes-behind-its-pixels": png_of(64, 64, data=bytes(100_000_000))[:-40],
}
"""Small files that unpack to what no machine should hold."""

OTHERS: dict[str, bytes] = {
    "gif": saved("GIF"),
    "tiff": saved("TIFF"),
    "bmp": saved("BMP"),
    "icon": saved("ICO"),
    "jpeg-2000": saved("JPEG2000"),
    "ppm": saved("PPM"),
    "tga": saved("TGA"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n%%EOF\n",
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "page": b"<!doctype html><script>alert(1)</script>",
    "archive": b"PK\x03\x04" + bytes(60),
    "program": b"\x7fELF" + bytes(60),
    "pickle": pickle.dumps(Weapon()),
    "photoshop": b"8BPS\0\x01" + bytes(60),
}
"""Formats that are not taken."""

PNG, JPEG, WEBP = png(64), saved("JPEG"), saved("WEBP")
BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "one-byte": b"\x89",
    "png-magic-only": PNG[:8],
    "png-cut-in-its-head": PNG[:20],
    "png-cut-in-its-pixels": PNG[:60],
    "jpeg-magic-only": JPEG[:3],
    "jpeg-cut-in-its-head": JPEG[:100],
    "jpeg-cut-in-its-pixels": JPEG[:-200],
    "webp-magic-only": WEBP[:12],
    "webp-cut": WEBP[: len(WEBP) // 2],
    "png-of-no-width": png_of(0, 64),
    "png-of-no-height": png_of(64, 0),
    "png-with-wrong-checksums": PNG[:40] + bytes(4) + PNG[44:],
    "png-without-pixels": PNG[:33] + chunk(b"IEND", b""),
    "png-with-noise-for-pixels": PNG[:33] + chunk(b"IDAT", bytes(range(256))) + chunk(b"IEND", b""),
    "webp-with-a-lie-about-its-length": WEBP[:4] + b"\xff\xff\xff\x7f" + WEBP[8:40],
    "jpeg-of-nothing-but-markers": b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1000,
    "jpeg-with-a-segment-too-long": b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0",
}
"""Pictures that are damaged."""
