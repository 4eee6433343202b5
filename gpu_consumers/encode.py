"""Finished pictures to the files that are stored. Runs in the engine process, beside the engine."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from engines import Finished, Picture
from gpu_consumers.frames import File, Task

MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def files(finished: Finished, task: Task) -> list[File]:
    """One file a picture."""
    return [_file(image, task.format, seed) for image, seed in zip(finished.images, finished.seeds, strict=True)]


def _file(image: Picture, kind: str, seed: int) -> File:
    body = _encoded(image, kind)
    return File(
        body=body,
        media_type=MEDIA[kind],
        suffix=kind,
        width=image.shape[1],
        height=image.shape[0],
        sha256=hashlib.sha256(body).hexdigest(),
        seed=seed,
    )


def _encoded(image: Picture, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind)
    return out.getvalue()
