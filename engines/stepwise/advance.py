"""One step of arithmetic: a forward pass, guidance, and each picture's row of its table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.stepwise.backend import Array, Backend
from engines.stepwise.batch import Batch
from engines.stepwise.noise import noise


def advance(backend: Backend, batch: Batch) -> tuple[Array, Array]:
    """The next x and m₀. The batch stays as it is, so that a step that runs out of memory can be tried again."""
    coefficients = batch.coefficients()
    scale, p, q, a, b, c, d = backend.array(coefficients)
    rows = backend.take(batch.x * scale, batch.sources)
    output = guided(backend, batch, backend.denoise(rows, batch.timesteps(), batch.conditioning))
    clean = p * batch.x + q * output
    x = a * batch.x + b * clean + c * batch.before
    if coefficients[-1].any():
        x = x + d * backend.array(fresh_noise(batch, tuple(x.shape[1:])))
    return x, clean


def guided(backend: Backend, batch: Batch, output: Array) -> Array:
    """Classifier-free guidance, u + g·(c - u). A picture without it is its own opposite, so it stays exactly c."""
    with_text = output[: batch.size]
    if batch.rows == batch.size:
        return with_text
    without = backend.take(output, batch.opposites)
    return without + batch.guidance * (with_text - without)


def fresh_noise(batch: Batch, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Noise for ancestral samplers, by each picture's own seed and step."""
    done = [member.seat.done for member in batch.members for _ in range(member.pictures)]
    return np.stack([noise(seed, step + 1, shape) for seed, step in zip(batch.seeds(), done, strict=True)])
