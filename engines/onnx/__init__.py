"""The default engine: Stable Diffusion 3 folders with ONNX graphs beside the weights, on onnxruntime, without torch."""

from engines.onnx.load import load

__all__ = ["load"]
