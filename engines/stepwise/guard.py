"""Errors of the libraries below, made fit to be shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

from engines.errors import EngineBroken, EngineError, EngineFault

T = TypeVar("T")

BEYOND_REPAIR = ("CUDA error", "CUDA failure", "CUBLAS_STATUS", "CUDNN_STATUS")
"""After these a CUDA context answers every call with the same error, so only a new process helps."""


def guarded(work: Callable[[], T]) -> T:
    """Run it; what is unforeseen becomes EngineFault or EngineBroken. Its own text stays here: it may quote a prompt."""
    try:
        return work()
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001  # a library may raise anything, and the caller must survive it
        place = traceback.extract_tb(error.__traceback__)[-1]
        broken = type(error).__name__ == "AcceleratorError" or any(sign in str(error) for sign in BEYOND_REPAIR)
        kind = EngineBroken if broken else EngineFault
        raise kind(f"{type(error).__name__} at {PurePath(place.filename).name}:{place.lineno}") from None
