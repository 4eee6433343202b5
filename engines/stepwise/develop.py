"""Latents of finished requests to pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from engines.base import Failed, Picture
from engines.errors import EngineError, EngineFault, OutOfMemory
from engines.stepwise.backend import Backend
from engines.stepwise.batch import Batch
from engines.stepwise.guard import guarded

TOGETHER = 8
"""Pictures decoded at once: decoding at full size needs far more memory a picture than denoising does."""

Developed = Picture | EngineError


def develop(backend: Backend, batch: Batch, request_ids: Collection[str]) -> tuple[dict[str, list[Picture]], list[Failed]]:
    """Pictures by request. One whose picture cannot be made even alone fails, and the others do not notice."""
    members = [member for member in batch.members if member.seat.request.id in request_ids]
    developed = dict(_decoded(backend, batch, [i for member in members for i in batch.pictures_of(member)]))
    images: dict[str, list[Picture]] = {}
    failed = []
    for member in members:
        request_id, own = member.seat.request.id, [developed[i] for i in batch.pictures_of(member)]
        errors = [error for error in own if isinstance(error, EngineError)]
        if errors:
            failed.append(Failed(request_id=request_id, error=errors[0]))
        else:
            images[request_id] = [picture for picture in own if not isinstance(picture, EngineError)]
    return images, failed


def _decoded(backend: Backend, batch: Batch, indices: Sequence[int]) -> list[tuple[int, Developed]]:
    made: list[tuple[int, Developed]] = []
    for start in range(0, len(indices), TOGETHER):
        part = indices[start : start + TOGETHER]
        try:
            made += zip(part, _pictures(backend, batch, part), strict=True)
        except (OutOfMemory, EngineFault):
            made += [(i, _alone(backend, batch, i)) for i in part]
    return made


def _alone(backend: Backend, batch: Batch, index: int) -> Developed:
    try:
        return _pictures(backend, batch, [index])[0]
    except (OutOfMemory, EngineFault) as error:
        return error


def _pictures(backend: Backend, batch: Batch, indices: Sequence[int]) -> list[Picture]:
    return list(guarded(partial(backend.decode, backend.take(batch.x, indices))))
