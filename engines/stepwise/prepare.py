"""What a request needs before it can join: its table, its embeddings, its first latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engines.errors import Unsupported
from engines.pictures import read
from engines.request import Request
from engines.roster import Seat
from engines.samplers import Table
from engines.stepwise.backend import Array, Backend
from engines.stepwise.batch import Member
from engines.stepwise.limits import Limits
from engines.stepwise.noise import INITIAL, noise
from engines.stepwise.texts import Texts

Tables = Callable[[int, str | None, int], Table]
"""A table by steps, sampler and first step."""


class Prepare:
    """Turns seats into members. Its texts outlive the jobs."""

    def __init__(self, backend: Backend, texts: Texts, limits: Limits) -> None:
        self._backend = backend
        self._texts = texts
        self._limits = limits

    def members(self, seats: Sequence[Seat], tables: Sequence[Table]) -> list[Member]:
        """Embeddings for all of them in one go."""
        prompts = [seat.request.prompt for seat in seats]
        negatives = [seat.request.negative_prompt for seat in seats if branches(seat.request) > 1]
        texts = self._texts.get([*prompts, *negatives])
        return [
            Member(
                seat=seat,
                table=table,
                text=texts[seat.request.prompt],
                against=texts[seat.request.negative_prompt] if branches(seat.request) > 1 else None,
            )
            for seat, table in zip(seats, tables, strict=True)
        ]

    def latents(self, member: Member) -> Array:
        """What x is before the first step, pictures × channels × height × width. Raises Unsupported for a broken image."""
        request, space = member.seat.request, self._backend.latents
        shape = (space.channels, request.height // space.scale, request.width // space.scale)
        drawn = np.stack([noise(request.seed + i, INITIAL, shape) for i in range(request.count)])
        start = self._backend.array(drawn) * member.table.add
        if request.image is None:
            return start
        try:
            pixels = read(request.image, request.width, request.height, max_pixels=self._limits.max_image_pixels)
        except Unsupported as error:
            raise Unsupported(error.field, error.message, request.id) from None
        return start + self._backend.encode_image(pixels[None]) * member.table.keep


def branches(request: Request) -> int:
    """Guidance branches of a picture. At a scale of 1 or less there is one, as diffusers decides it."""
    return 2 if request.guidance > 1 else 1
