"""From a folder to an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engines.base import EngineInfo
from engines.errors import EngineBroken
from engines.folder import ModelFolder, limits_of, open_folder
from engines.onnx.backend import OnnxBackend
from engines.onnx.sessions import Graphs
from engines.samplers import available
from engines.stepwise import Limits, StepwiseEngine, StepwiseOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxOptions:
    """Settings of this engine."""

    device: str = "auto"
    """cpu, cuda, or auto: CUDA where this onnxruntime has it."""
    threads: int = 0
    """Threads of one operation; 0 takes one for each physical core."""
    buckets: tuple[int, ...] = ()
    """Row counts to pad to; none, as onnxruntime takes any number of rows and padding only adds some."""
    texts: int = 64


def load(model: str, **options: Any) -> StepwiseEngine:
    """Load a folder. Options as in OnnxOptions."""
    return from_folder(open_folder(model), OnnxOptions(**options))


def from_folder(folder: ModelFolder, options: OnnxOptions) -> StepwiseEngine:
    """Only Stable Diffusion 3 without T5 so far: that is what graphs are exported for."""
    if not folder.pipeline.startswith("StableDiffusion3") or folder.has("text_encoder_3"):
        raise EngineBroken(f"no graphs are known for {folder.pipeline}, or not with a third text encoder")
    graphs = Graphs(folder.path, device=options.device, threads=options.threads)
    backend = OnnxBackend(folder, graphs)
    space = backend.latents
    largest = int(folder.config("transformer")["pos_embed_max_size"]) * space.patch * space.scale
    info = EngineInfo(
        engine="onnx",
        model=folder.name,
        version=folder.version,
        device=graphs.provider.removesuffix("ExecutionProvider").lower(),
        precision="float32",
        tasks=("text-to-image", "image-to-image"),
        samplers=available(folder.scheduler),
    )
    defaults = Limits(multiple=space.scale * space.patch, max_side=largest)
    settings = StepwiseOptions(buckets=tuple(options.buckets), texts=options.texts)
    return StepwiseEngine(backend, info, folder.scheduler, limits_of(folder, defaults), settings)
