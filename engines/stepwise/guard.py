"""Errors of the libraries below, made fit to be shown."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

from engines.errors import EngineBroken, EngineError

T = TypeVar("T")


def guarded(work: Callable[[], T]) -> T:
    """Run it; what is unforeseen becomes EngineBroken with kind and place. Its text may quote a prompt: it stays."""
    try:
        return work()
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001  # a library may raise anything, and the caller must survive it
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise EngineBroken(f"{type(error).__name__} at {PurePath(place.filename).name}:{place.lineno}") from None
