"""Latents of finished requests to pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engines.base import Failed, Picture
from engines.errors import OutOfMemory
from engines.stepwise.backend import Backend
from engines.stepwise.batch import Batch

TOGETHER = 8
"""Pictures decoded at once: decoding at full size needs far more memory a picture than denoising does."""


def develop(backend: Backend, batch: Batch, request_ids: Collection[str]) -> tuple[dict[str, list[Picture]], list[Failed]]:
    """Pictures by request. One whose picture does not fit even alone fails, and the others do not notice."""
    members = [member for member in batch.members if member.seat.request.id in request_ids]
    indices = [i for member in members for i in batch.pictures_of(member)]
    pictures = dict(_decoded(backend, batch, indices))
    images: dict[str, list[Picture]] = {}
    failed = []
    for member in members:
        own = [pictures[i] for i in batch.pictures_of(member)]
        request_id = member.seat.request.id
        if any(picture is None for picture in own):
            failed.append(Failed(request_id=request_id, error=OutOfMemory(1)))
        else:
            images[request_id] = [picture for picture in own if picture is not None]
    return images, failed


def _decoded(backend: Backend, batch: Batch, indices: Sequence[int]) -> list[tuple[int, Picture | None]]:
    made: list[tuple[int, Picture | None]] = []
    for start in range(0, len(indices), TOGETHER):
        part = indices[start : start + TOGETHER]
        try:
            made += zip(part, backend.decode(backend.take(batch.x, part)), strict=True)
        except OutOfMemory:
            made += [(i, _alone(backend, batch, i)) for i in part]
    return made


def _alone(backend: Backend, batch: Batch, index: int) -> Picture | None:
    try:
        picture: Picture = backend.decode(backend.take(batch.x, [index]))[0]
    except OutOfMemory:
        return None
    return picture
