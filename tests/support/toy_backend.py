"""A model of a few lines on numpy, for rules that have nothing to do with pictures. It mixes rows no more than a real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import numpy.typing as npt

from engines import EngineInfo, Memory, OutOfMemory
from engines.stepwise import Array, Conditioning, Latents, Limits, StepwiseEngine, StepwiseOptions

SCHEDULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
DDIM = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "eta": 1.0}


@dataclass
class ToyBackend:
    """Implements engines.stepwise.Backend, and writes down what it was asked."""

    capacity: int = 1000
    """Rows that fit."""
    poison: str = "poison"
    """A prompt with this word in it gives not-a-number."""
    forwards: list[npt.NDArray[np.float32]] = field(default_factory=list)
    """The timesteps of each forward pass."""
    encoded: list[str] = field(default_factory=list)
    """Prompts encoded, in order."""
    closed: int = 0
    latents = Latents(4, 8)

    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
        self.encoded += prompts
        return [{"words": np.array([[self._meaning(prompt)]], dtype=np.float32)} for prompt in prompts]

    def _meaning(self, prompt: str) -> float:
        return np.nan if self.poison in prompt else crc32(prompt.encode()) / 2**32 - 0.5

    def encode_image(self, pixels: npt.NDArray[np.float32]) -> Array:
        count, _, height, width = pixels.shape
        cells = pixels.reshape(count, 3, height // 8, 8, width // 8, 8).mean(axis=(3, 5))
        return np.concatenate([cells, cells[:, :1]], axis=1)

    def denoise(self, x: Array, timesteps: npt.NDArray[np.float32], conditioning: Conditioning) -> Array:
        if len(x) > self.capacity:
            raise OutOfMemory(len(x))
        assert len(x) == len(timesteps) == len(conditioning["words"])
        self.forwards.append(timesteps)
        time = timesteps.reshape(-1, 1, 1, 1) / 1000
        words = conditioning["words"].reshape(-1, 1, 1, 1)
        return (np.tanh(x * 1.1 + words + time) - 0.8 * words).astype(np.float32)

    def decode(self, x: Array) -> npt.NDArray[np.uint8]:
        levels = np.clip(x[:, :3] * 60 + 128, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(levels.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1))

    def array(self, values: npt.NDArray[np.float32]) -> Array:
        return values

    def stack(self, arrays: Sequence[Array]) -> Array:
        return np.concatenate(list(arrays))

    def take(self, array: Array, rows: Sequence[int]) -> Array:
        return array[list(rows)]

    def finite(self, x: Array) -> Sequence[bool]:
        return list(np.isfinite(x).reshape(len(x), -1).all(axis=1))

    def memory(self) -> Memory | None:
        return None

    def close(self) -> None:
        self.closed += 1


def toy_engine(backend: ToyBackend | None = None, **options: object) -> StepwiseEngine:
    """The step-wise engine around the toy."""
    info = EngineInfo(
        engine="toy", model="toy", version="1", device="none", precision="float32", tasks=("text-to-image", "image-to-image")
    )
    scheduler = options.pop("scheduler", SCHEDULER)
    buckets = options.pop("buckets", ())
    settings = StepwiseOptions(buckets=buckets)  # type: ignore[arg-type]
    return StepwiseEngine(backend or ToyBackend(), info, scheduler, Limits(), settings, **options)  # type: ignore[arg-type]
