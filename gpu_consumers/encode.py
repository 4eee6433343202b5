"""Finished pictures to the files that are stored. Runs in the engine process, beside the engine."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

from PIL import Image

from engines import Finished, Picture
from engines.encode import encode
from gpu_consumers.frames import File, Task


def files(finished: Finished, task: Task) -> list[File]:
    """One file a picture, or a clip where there are several frames."""
    if task.frames == 1:
        return [_picture(image, task.format, seed) for image, seed in zip(finished.images, finished.seeds, strict=True)]
    starts = range(0, len(finished.images), task.frames)
    clips = [finished.images[start : start + task.frames] for start in starts]
    return [_clip(clip, task.fps, seed) for clip, seed in zip(clips, finished.seeds, strict=True)]


def _picture(image: Picture, kind: str, seed: int) -> File:
    made = encode(image, kind)
    return File(
        body=made.data,
        media_type=made.media_type,
        suffix=kind,
        width=made.width,
        height=made.height,
        sha256=made.sha256,
        seed=seed,
    )


def _clip(frames: Sequence[Picture], fps: int, seed: int) -> File:
    # Animated WebP: every browser plays it and Pillow writes it, so no video library has to be installed.
    first, *rest = [Image.fromarray(frame) for frame in frames]
    out = io.BytesIO()
    first.save(out, "WEBP", save_all=True, append_images=rest, duration=round(1000 / max(fps, 1)), quality=90, method=2)
    body = out.getvalue()
    return File(
        body=body,
        media_type="image/webp",
        suffix="webp",
        width=first.width,
        height=first.height,
        sha256=hashlib.sha256(body).hexdigest(),
        seed=seed,
    )
