"""Samplers as coefficient tables, by name.

A scheduler's configuration (scheduler_config.json of a diffusers folder) and a number of steps give a table;
running it needs only multiplication and addition, so every backend samples alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from engines.errors import Unsupported
from engines.samplers import ddim, dpmpp_2m, euler, flow_euler
from engines.samplers.table import Table

__all__ = ["SAMPLERS", "Table", "available", "default_sampler", "start_step", "table"]

SAMPLERS: Mapping[str, ModuleType] = {"flow-euler": flow_euler, "euler": euler, "ddim": ddim, "dpmpp-2m": dpmpp_2m}

_OF_CLASS = {
    "FlowMatchEulerDiscreteScheduler": "flow-euler",
    "EulerDiscreteScheduler": "euler",
    "DDIMScheduler": "ddim",
    "DPMSolverMultistepScheduler": "dpmpp-2m",
    # Not linear in two outputs: such models get the sampler their users pick instead.
    "PNDMScheduler": "dpmpp-2m",
    "DDPMScheduler": "ddim",
    "LMSDiscreteScheduler": "euler",
}


def default_sampler(config: Mapping[str, Any]) -> str:
    """The sampler a model's own scheduler configuration means."""
    name = _OF_CLASS.get(str(config.get("_class_name")))
    if name is None:
        raise Unsupported("sampler", f"no table for scheduler {config.get('_class_name')!r}")
    return name


def available(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Samplers that fit the model: flow matching and noise prediction do not mix."""
    flow = default_sampler(config) == "flow-euler"
    return tuple(name for name in SAMPLERS if (name == "flow-euler") == flow and _builds(name, config))


def table(config: Mapping[str, Any], steps: int, *, sampler: str | None = None, start: int = 0) -> Table:
    """The table of one job: rows ``start`` … ``steps - 1`` of a full run. Raises Unsupported for what is not linear."""
    name = sampler or default_sampler(config)
    module = SAMPLERS.get(name)
    if module is None or (name == "flow-euler") != (default_sampler(config) == "flow-euler"):
        raise Unsupported("sampler", f"this model samples with {', '.join(available(config))}")
    return _build(module, config, steps, start)


def start_step(steps: int, strength: float) -> int:
    """Where image-to-image begins in a run of ``steps``: it takes ⌈steps × strength⌉ of them, at least one."""
    return max(0, steps - max(1, math.ceil(steps * strength - 1e-9)))


def _build(module: ModuleType, config: Mapping[str, Any], steps: int, start: int) -> Table:
    refused = [key for key in module.REFUSED if config.get(key)]
    if refused:
        raise Unsupported("sampler", f"scheduler option {refused[0]} has no linear table")
    made: Table = module.table({**module.DEFAULTS, **config}, steps, start)
    return made


def _builds(name: str, config: Mapping[str, Any]) -> bool:
    try:
        _build(SAMPLERS[name], config, 2, 0)
    except Unsupported:
        return False
    return True
