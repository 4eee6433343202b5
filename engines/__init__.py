"""Engines: models that turn requests into pictures, one step at a time.

A leaf of the repository: nothing here imports another package of ours, and the default engine needs no torch.
"""

from engines.base import Engine, EngineInfo, Failed, Finished, Memory, Picture, Progress, Shape, StepReport
from engines.errors import EngineBroken, EngineError, EngineFault, Incompatible, OutOfMemory, Poison, Unsupported
from engines.request import Request

__all__ = [
    "Engine",
    "EngineBroken",
    "EngineError",
    "EngineFault",
    "EngineInfo",
    "Failed",
    "Finished",
    "Incompatible",
    "Memory",
    "OutOfMemory",
    "Picture",
    "Poison",
    "Progress",
    "Request",
    "Shape",
    "StepReport",
    "Unsupported",
]
