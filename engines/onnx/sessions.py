"""The graphs of a folder, opened.

Their names and what goes in and out: ``text_encoder/model.onnx``, ``text_encoder_2/model.onnx`` (input_ids →
hidden_states, pooled), ``transformer/model.onnx`` (latents, timestep, encoder_hidden_states, pooled → velocity),
``vae/decoder.onnx`` (latents → image), ``vae/encoder.onnx`` (image → latents); all with a free batch axis.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from engines.errors import EngineBroken, OutOfMemory

TEXT = ("text_encoder", "text_encoder_2")
TRANSFORMER, DECODER, ENCODER = "transformer", "vae/decoder", "vae/encoder"

_NO_ROOM = ("allocate memory", "bad_alloc", "out of memory")
"""How onnxruntime says so: it has one exception class for everything, told apart by its text alone."""


def providers(device: str) -> list[str]:
    """Execution providers for a device: auto takes CUDA where this build of onnxruntime has it."""
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise EngineBroken("this onnxruntime has no CUDA: install onnxruntime-gpu")
    if device not in ("auto", "cpu", "cuda"):
        raise EngineBroken("device is one of auto, cpu, cuda")
    return ["CUDAExecutionProvider"] * (has_cuda and device != "cpu") + ["CPUExecutionProvider"]


class Graphs:
    """Sessions by name, opened together so that a folder that lacks one is refused at once."""

    def __init__(self, folder: Path, *, device: str, threads: int) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.log_severity_level = 3
        # Threads that spin between two steps take the processor from the consumer's event loop.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        where = providers(device)
        self._sessions = {name: _open(folder, name, settings, where) for name in (*TEXT, TRANSFORMER, DECODER, ENCODER)}

    @property
    def provider(self) -> str:
        """Where the transformer runs: CPUExecutionProvider or CUDAExecutionProvider."""
        return str(self._sessions[TRANSFORMER].get_providers()[0])

    def run(self, name: str, **inputs: Any) -> list[Any]:
        """All outputs of a graph, in its order. Raises OutOfMemory with the size of the first input's batch."""
        try:
            outputs: list[Any] = self._sessions[name].run(None, inputs)
        except Exception as error:
            if any(text in str(error).lower() for text in _NO_ROOM):
                raise OutOfMemory(len(next(iter(inputs.values())))) from None
            raise
        return outputs

    def close(self) -> None:
        self._sessions.clear()


def _open(folder: Path, name: str, settings: Any, where: list[str]) -> Any:
    path = folder / f"{name}.onnx" if "/" in name else folder / name / "model.onnx"
    if not path.is_file():
        raise EngineBroken(f"the model folder has no graph {path.relative_to(folder)}")
    return onnxruntime.InferenceSession(str(path), settings, providers=where)
