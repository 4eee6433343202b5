"""Where a model runs, and in which numbers."""

from __future__ import annotations

import torch

from engines.errors import EngineBroken

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def pick_device(name: str) -> torch.device:
    """The named device, or the best one there is."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_class(device: torch.device) -> str:
    """What alike devices have in common, for those who compare run times: cpu, h200, geforce-rtx-4090."""
    if device.type != "cuda":
        return device.type
    return torch.cuda.get_device_name(device).lower().removeprefix("nvidia ").replace(" ", "-")


def pick_dtype(name: str, device: torch.device, *, transformer: bool) -> torch.dtype:
    """Half precision only off the CPU. MMDiTs overflow float16 in their text streams; UNets were trained in it."""
    if name != "auto":
        if name not in PRECISIONS:
            raise EngineBroken(f"precision is one of auto, {', '.join(PRECISIONS)}")
        return PRECISIONS[name]
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if transformer else torch.float16
