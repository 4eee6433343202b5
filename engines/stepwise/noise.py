"""Noise that depends on a seed and a step, and on nothing else.

Counter-based (Philox), so that a job needs no generator state: any step's noise can be made again after a move to
another device, and the same seed gives the same picture on every engine and in any batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

INITIAL = 0
"""The step number of the noise a picture starts from; step k of the table uses k + 1."""


def noise(seed: int, step: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Standard normal numbers in float32."""
    key = np.array([seed % 2**64, step], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape, dtype=np.float32)
