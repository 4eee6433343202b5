"""What the step-wise engine needs of a model and the library that runs it: a handful of functions on arrays.

An Array is the backend's own (numpy, or torch on some device); the engine only multiplies, adds and slices it.
Latents are float32, shaped pictures × channels × height × width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engines.base import Memory

Array = Any
Conditioning = Mapping[str, Array]
"""One prompt's text embeddings by input name, each with a leading axis of 1."""


class Latents(NamedTuple):
    """The space a model denoises in."""

    channels: int
    scale: int
    """Pixels per latent cell, along each side."""
    patch: int = 1
    """Latent cells that must come in whole numbers, along each side."""


class Backend(Protocol):
    """A loaded model. Functions raise OutOfMemory where the device is too small; nothing here keeps state."""

    latents: Latents

    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
        """Embeddings of each prompt, all of the same shapes."""
        ...

    def encode_image(self, pixels: npt.NDArray[np.float32]) -> Array:
        """Latents of pictures in -1 … 1, shaped n × 3 × height × width. Deterministic: the mode, not a sample."""
        ...

    def denoise(self, x: Array, timesteps: npt.NDArray[np.float32], conditioning: Conditioning) -> Array:
        """The model's output for each row; ``timesteps`` has one entry a row."""
        ...

    def decode(self, x: Array) -> npt.NDArray[np.uint8]:
        """Pictures, n × height × width × 3."""
        ...

    def array(self, values: npt.NDArray[np.float32]) -> Array:
        """Bring numbers to where the model runs."""
        ...

    def stack(self, arrays: Sequence[Array]) -> Array:
        """Join along the first axis."""
        ...

    def take(self, array: Array, rows: Sequence[int]) -> Array:
        """Rows by number, with repetitions."""
        ...

    def finite(self, x: Array) -> Sequence[bool]:
        """For each row, whether all its numbers are finite. Waits until the device is done."""
        ...

    def memory(self) -> Memory | None:
        """See engines.base.Engine."""
        ...

    def close(self) -> None:
        """Free what the model holds."""
        ...
