"""Pictures made to harm. Engines decode in a process of their own; what comes out is a picture or a plain refusal."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from engines.errors import Unsupported
from engines.pictures import look, read
from engines.stepwise import Limits
from tests.support.hostile_pictures import BOMBS, BROKEN, OTHERS, many_scans, saved

CAP = Limits().max_image_pixels
ALL = BOMBS | OTHERS | BROKEN


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 20


@pytest.mark.parametrize("name", [name for name in ALL if "100-megabytes" not in name])
def test_it_is_refused_in_plain_words(name: str) -> None:
    with pytest.raises(Unsupported, match=r"pixels|scans|is not a readable PNG, JPEG or WebP picture") as caught:
        read(ALL[name], 64, 64, max_pixels=CAP)
    assert caught.value.field == "image"


@pytest.mark.parametrize("name", [name for name in BOMBS if "100-megabytes" not in name])
def test_a_bomb_is_told_by_its_head_before_anything_is_unpacked(name: str) -> None:
    with pytest.raises(Unsupported):
        look(BOMBS[name], max_pixels=CAP)


def test_all_of_them_together_take_little_memory() -> None:
    code = """if True:
        import resource, warnings
        from tests.support.hostile_pictures import BOMBS, BROKEN, OTHERS
        from engines.errors import Unsupported
        from engines.pictures import read
        warnings.simplefilter("ignore")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for data in (BOMBS | OTHERS | BROKEN).values():
            try:
                read(data, 64, 64, max_pixels=4096 * 4096)
            except Unsupported:
                pass
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 80, "MiB"


def test_the_parent_has_no_decoder_in_it() -> None:
    code = "import sys, gpu_consumers.app; print('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of the damage
def test_a_whole_picture_with_damaged_words_of_its_camera_is_taken() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (32, 16), (255, 0, 0)).save(out, "JPEG", exif=exif)
    for at in range(out.getvalue().find(b"Exif") + 6, out.getvalue().find(b"Exif") + 30):
        damaged = bytearray(out.getvalue())
        damaged[at] ^= 0x7F
        assert read(bytes(damaged), 16, 16, max_pixels=CAP)[0].mean() > 0.9


def test_a_picture_of_exactly_the_pixels_allowed_is_taken() -> None:
    assert look(saved("PNG", 64), max_pixels=64 * 64) == (64, 64)
    with pytest.raises(Unsupported):
        look(saved("PNG", 64), max_pixels=64 * 64 - 1)


def test_scans_are_counted_in_jpegs_only() -> None:
    many = saved("PNG", 8) + b"\xff\xda" * 1000
    assert look(many, max_pixels=CAP) == (8, 8)
    assert look(many_scans(20), max_pixels=CAP) == (4000, 4000)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_bytes_are_damaged_a_picture_comes_out_or_a_refusal(seed: int) -> None:
    draw = random.Random(seed)
    wholes = [saved("PNG", 24), saved("JPEG", 24), saved("JPEG", 24, progressive=True), saved("WEBP", 24), _with_exif()]
    for _ in range(500):
        data = bytearray(draw.choice(wholes))
        for _ in range(draw.choice([1, 1, 3, 9])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            pixels = read(bytes(data), 16, 16, max_pixels=CAP)
        except Unsupported:
            continue
        assert pixels.shape == (3, 16, 16)
        assert np.isfinite(pixels).all()


def _with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x8769] = 6, "words", {0x9000: b"0230"}
    return saved("JPEG", 24, exif=exif)
