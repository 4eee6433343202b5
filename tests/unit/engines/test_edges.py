"""What comes in and goes out at the edges: image bytes, files, errors, names."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines import EngineBroken, EngineError, Incompatible, OutOfMemory, Poison, Unsupported, registry
from engines.encode import FORMATS, encode
from engines.folder import limits_of, open_folder
from engines.pictures import look, read
from engines.stepwise import Limits
from tests.support.engine_runs import ask
from tests.support.images import png


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_pixels_become_numbers_from_minus_one_to_one(file_format: str) -> None:
    pixels = read(png(40, (255, 0, 128), file_format), 16, 24, max_pixels=10_000)
    assert pixels.shape == (3, 24, 16)
    assert pixels.dtype == np.float32
    assert pixels.mean(axis=(1, 2)) == pytest.approx([1.0, -1.0, 0.0], abs=0.05)


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(file_format: str) -> None:
    with pytest.raises(Unsupported) as error:
        look(png(16, file_format=file_format), max_pixels=10_000)
    assert error.value.field == "image"


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0broken", b"RIFF\x00\x00\x00\x00WEBPVP8 "])
def test_broken_headers_are_refused(data: bytes) -> None:
    with pytest.raises(Unsupported):
        look(data, max_pixels=10_000)


def test_too_many_pixels_are_refused_before_they_are_unpacked() -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    with pytest.raises(Unsupported):
        look(bomb, max_pixels=4096 * 4096)
    with pytest.raises(Unsupported, match="more than 100 pixels"):
        look(png(11), max_pixels=100)


def test_a_cut_off_picture_passes_a_look_and_fails_a_read() -> None:
    whole = png(64)
    assert look(whole[:60], max_pixels=10_000) == (64, 64)
    with pytest.raises(Unsupported):
        read(whole[:60], 64, 64, max_pixels=10_000)


def test_a_picture_is_turned_as_its_camera_says() -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = Image.new("RGB", (32, 16))
    tall.paste((255, 255, 255), (0, 0, 16, 16))
    tall.save(stream, "JPEG", exif=exif, quality=95)
    pixels = read(stream.getvalue(), 16, 32, max_pixels=10_000)
    assert pixels[:, :12].mean() > 0.9
    assert pixels[:, 20:].mean() < -0.9


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("side", [8, 96])
def test_a_picture_becomes_the_same_file_every_time(file_format: str, side: int) -> None:
    picture = np.zeros((side, side + 8, 3), dtype=np.uint8)
    picture[:, : side // 2] = (200, 30, 90)
    first, second = encode(picture, file_format), encode(picture.copy(), file_format)
    assert first == second
    assert first.sha256 == hashlib.sha256(first.data).hexdigest()
    assert (first.width, first.height) == (side + 8, side)
    with Image.open(io.BytesIO(first.data)) as image:
        assert Image.MIME[str(image.format)] == first.media_type
        back = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(back - picture).mean() < (1 if file_format == "png" else 12)
    assert file_format != "png" or (back == picture).all()


def test_a_format_it_cannot_write_is_named() -> None:
    with pytest.raises(Unsupported) as error:
        encode(np.zeros((8, 8, 3), dtype=np.uint8), "tiff")
    assert error.value.field == "format"


@pytest.mark.parametrize(
    "error",
    [
        Unsupported("width", "too wide", "job"),
        Incompatible("id", "twice", "job"),
        OutOfMemory(8),
        Poison("job", "nan"),
        EngineBroken("gone"),
    ],
)
def test_errors_travel_between_processes(error: EngineError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)
    assert back.code == error.code


def test_a_request_shows_neither_prompt_nor_image() -> None:
    shown = repr(ask(prompt="a secret wish", negative_prompt="a fear", image=b"pixels"))
    assert not any(word in shown for word in ("secret", "fear", "pixels"))


def test_an_unknown_engine_is_told_what_there_is() -> None:
    with pytest.raises(registry.UnknownEngine, match="onnx"):
        registry.load("dalle")


def test_a_missing_extra_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("engines.diffusers")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(registry.MissingExtra, match=r"darkroom\[torch\]"):
        registry.load("diffusers", "anywhere")


def test_a_missing_folder_is_told_by_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-model"):
        registry.load("onnx", str(tmp_path / "no-such-model"))
    with pytest.raises(EngineBroken, match=r"model_index\.json"):
        registry.load("onnx", str(tmp_path))


def test_the_default_install_imports_no_torch() -> None:
    code = (
        "import sys, engines, engines.noop, engines.onnx, engines.encode;"
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def a_folder(path: Path, facts: str = "{}") -> Path:
    (path / "scheduler").mkdir(parents=True)
    (path / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "FlowMatchEulerDiscreteScheduler"}')
    (path / "model_index.json").write_text('{"_class_name": "StableDiffusion3Pipeline", "vae": ["diffusers", "AutoencoderTiny"]}')
    (path / "darkroom.json").write_text(facts)
    return path


def test_a_folder_narrows_the_bounds(tmp_path: Path) -> None:
    facts = '{"version": "3", "tasks": ["text-to-image"], "steps": {"max": 50}, "guidance": {"max": 6}'
    facts += ', "width": {"min": 96, "max": 160}}'
    folder = open_folder(str(a_folder(tmp_path / "m", facts)))
    limits = limits_of(folder, Limits(multiple=16))
    assert folder.version == "3"
    assert (limits.tasks, limits.max_steps, limits.max_guidance) == (("text-to-image",), 50, 6)
    assert (limits.min_side, limits.max_side) == (96, 160)
    assert limits.multiple == 16, "what the folder does not say stays as it was"


def test_a_folder_without_a_version_has_one_of_its_own(tmp_path: Path) -> None:
    first = open_folder(str(a_folder(tmp_path / "a"))).version
    assert first == open_folder(str(a_folder(tmp_path / "b"))).version
    (tmp_path / "b" / "weights.safetensors").write_bytes(b"1234")
    assert first != open_folder(str(tmp_path / "b")).version
