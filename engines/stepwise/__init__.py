"""The engine that real models share: rows, guidance, joining and leaving, over a backend that only runs networks."""

from engines.stepwise.backend import Array, Backend, Conditioning, Latents
from engines.stepwise.engine import StepwiseEngine, StepwiseOptions
from engines.stepwise.limits import Limits

__all__ = ["Array", "Backend", "Conditioning", "Latents", "Limits", "StepwiseEngine", "StepwiseOptions"]
