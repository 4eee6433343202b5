"""Arrays and networks on torch."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from engines.base import Memory
from engines.diffusers.networks import Network
from engines.errors import OutOfMemory
from engines.stepwise import Array, Conditioning

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def without_room(work: Callable[[], T], rows: int = 0) -> T:
    """Run it, with the device's out-of-memory error as ours."""
    try:
        return work()
    except torch.cuda.OutOfMemoryError:
        pass
    # Outside the handler: while the error lives, so do the tensors of every frame it passed through.
    gc.collect()
    torch.cuda.empty_cache()
    raise OutOfMemory(rows)


def on_device(method: F) -> F:
    """Without gradients, and with OutOfMemory for the rows in the first argument."""

    @wraps(method)
    def inner(self: TorchBackend, rows: Any, *more: Any) -> Any:
        with torch.inference_mode():
            return without_room(lambda: method(self, rows, *more), len(rows))

    return inner  # type: ignore[return-value]


class TorchBackend:
    """Implements engines.stepwise.Backend. Latents stay float32; the networks see their own precision."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self.latents = network.latents
        self._network: Any = network
        self._device = device
        config = network.vae.config
        self._factor = float(config.scaling_factor)
        self._shift = float(getattr(config, "shift_factor", None) or 0.0)

    @on_device
    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
        made: list[Conditioning] = self._network.encode_text(prompts)
        return made

    @on_device
    def encode_image(self, pixels: npt.NDArray[np.float32]) -> Array:
        vae = self._network.vae
        encoded = vae.encode(self.array(pixels).to(vae.dtype))
        # A tiny autoencoder gives latents, a variational one a distribution: its mode, so that a picture is repeatable.
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        return (latents.float() - self._shift) * self._factor

    @on_device
    def denoise(self, x: Array, timesteps: npt.NDArray[np.float32], conditioning: Conditioning) -> Array:
        output = self._network.denoise(x.to(self._network.dtype), self.array(timesteps), conditioning)
        return output.float()

    @on_device
    def decode(self, x: Array) -> npt.NDArray[np.uint8]:
        vae = self._network.vae
        images = vae.decode((x / self._factor + self._shift).to(vae.dtype), return_dict=False)[0]
        levels = ((images.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        pictures: npt.NDArray[np.uint8] = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return pictures

    def array(self, values: npt.NDArray[np.float32]) -> Array:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def stack(self, arrays: Sequence[Array]) -> Array:
        return torch.cat(list(arrays))

    def take(self, array: Array, rows: Sequence[int]) -> Array:
        return array[torch.tensor(list(rows), dtype=torch.long, device=self._device)]

    def finite(self, x: Array) -> Sequence[bool]:
        found: list[bool] = torch.isfinite(x).flatten(1).all(1).tolist()
        return found

    def memory(self) -> Memory | None:
        """What tensors take. The allocator's cache counts as free: it is let go before memory is said to be out."""
        if self._device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self._device)
        whole = free + torch.cuda.memory_reserved(self._device)
        peak = torch.cuda.max_memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        return Memory(whole, torch.cuda.memory_allocated(self._device), peak)

    def close(self) -> None:
        self._network = None
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
