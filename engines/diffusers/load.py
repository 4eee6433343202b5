"""From a folder to an engine: the pipeline class by name from a short list, weights from safetensors only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import torch

from engines.base import EngineInfo
from engines.diffusers.backend import TorchBackend, without_room
from engines.diffusers.device import device_class, pick_device, pick_dtype
from engines.diffusers.networks import Network, StableDiffusion, StableDiffusion3
from engines.diffusers.quiet import keep_prompts_out_of_logs, no_bars
from engines.errors import EngineBroken
from engines.folder import ModelFolder, limits_of, open_folder
from engines.samplers import available
from engines.stepwise import Limits, StepwiseEngine, StepwiseOptions

NETWORKS: Mapping[str, tuple[str, Callable[[Any, ModelFolder], Network]]] = {
    "StableDiffusion3Pipeline": ("StableDiffusion3Pipeline", StableDiffusion3),
    "StableDiffusion3Img2ImgPipeline": ("StableDiffusion3Pipeline", StableDiffusion3),
    "StableDiffusionPipeline": ("StableDiffusionPipeline", StableDiffusion),
    "StableDiffusionImg2ImgPipeline": ("StableDiffusionPipeline", StableDiffusion),
}

LIBRARIES = frozenset({"diffusers", "transformers", None})
"""Where a folder's components may come from. Anything else would be code that travels with the weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusersOptions:
    """Settings of this engine."""

    device: str = "auto"
    """A torch device; auto takes CUDA where there is one, else the CPU."""
    precision: str = "auto"
    """float32, float16 or bfloat16; auto takes float32 on a CPU, bfloat16 for an MMDiT and float16 for a UNet."""
    threads: int = 0
    """CPU threads of this process's torch; 0 leaves them as they are."""
    buckets: tuple[int, ...] = ()
    """Row counts to pad to; none, as eager torch takes any."""
    texts: int = 64


def load(model: str, **options: Any) -> StepwiseEngine:
    """Load a pipeline folder. Options as in DiffusersOptions."""
    return from_folder(open_folder(model), DiffusersOptions(**options))


def from_folder(folder: ModelFolder, options: DiffusersOptions) -> StepwiseEngine:
    """Load a folder that is already known. Raises OutOfMemory, of 0 rows, if the device has no room for the weights."""
    keep_prompts_out_of_logs()
    no_bars()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    dtype = pick_dtype(options.precision, device, transformer=folder.has("transformer"))
    network = without_room(lambda: _network(folder, device, dtype))
    backend = TorchBackend(network, device)
    info = EngineInfo(
        engine="diffusers",
        model=folder.name,
        version=folder.version,
        device=device_class(device),
        precision=str(dtype).removeprefix("torch."),
        tasks=("text-to-image", "image-to-image"),
        samplers=available(folder.scheduler),
    )
    space = network.latents
    defaults = Limits(multiple=space.scale * space.patch, max_side=network.max_side)
    return StepwiseEngine(
        backend,
        info,
        folder.scheduler,
        limits_of(folder, defaults),
        StepwiseOptions(buckets=tuple(options.buckets), texts=options.texts),
    )


def _network(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Network:
    known = NETWORKS.get(folder.pipeline)
    if known is None:
        raise EngineBroken(f"{folder.pipeline} is not one of {', '.join(NETWORKS)}")
    strange = {part: library for part, (library, _) in folder.parts.items() if library not in LIBRARIES}
    strange.pop("safety_checker", None)
    if strange:
        raise EngineBroken(f"components from elsewhere than diffusers and transformers: {', '.join(strange)}")
    pipeline = _read(getattr(diffusers, known[0]), folder, dtype)
    return known[1](pipeline.to(device), folder)


def _read(kind: Any, folder: ModelFolder, dtype: torch.dtype) -> Any:
    # Parts a model does without must be passed as None; diffusers takes their absence for a mistake.
    without: dict[str, Any] = {part: None for part, (library, _) in folder.parts.items() if library is None}
    if "safety_checker" in folder.parts:
        # Its weights are not loaded: what is shown to whom is the platform's business, not the sampler's.
        without |= {"safety_checker": None, "requires_safety_checker": False}
    return kind.from_pretrained(folder.path, torch_dtype=dtype, local_files_only=True, use_safetensors=True, **without)
