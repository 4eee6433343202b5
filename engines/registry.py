"""Engines by name, imported only when one is asked for: the default install has no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from engines.base import Engine


class Entry(NamedTuple):
    """Where an engine lives, and the extra of the distribution that brings what it imports."""

    module: str
    factory: str
    extra: str
    libraries: tuple[str, ...]
    """Distributions it computes with, whose versions may matter to what comes out."""


ENGINES: Mapping[str, Entry] = {
    "noop": Entry("engines.noop", "load", "", ("numpy",)),
    "onnx": Entry("engines.onnx", "load", "", ("numpy", "onnxruntime", "tokenizers")),
    "diffusers": Entry("engines.diffusers", "load", "torch", ("diffusers", "torch", "transformers")),
}


class UnknownEngine(ValueError):
    """No engine of that name."""


class MissingExtra(ImportError):
    """The engine is known, but what it needs is not installed."""


def load(engine: str, model: str = "", options: Mapping[str, Any] | None = None) -> Engine:
    """Load a model folder into an engine.

    ``model`` is a path (empty: the built-in model, where the engine has one); ``options`` are the engine's own,
    by name. Raises UnknownEngine, MissingExtra, TypeError for an unknown option, FileNotFoundError for a missing
    folder, EngineBroken for one that cannot be loaded.
    """
    entry = ENGINES.get(engine)
    if entry is None:
        raise UnknownEngine(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
    try:
        module = import_module(entry.module)
    except ModuleNotFoundError as error:
        raise _missing(engine, entry, error) from error
    loaded: Engine = getattr(module, entry.factory)(model, **dict(options or {}))
    return loaded


def _missing(engine: str, entry: Entry, error: ModuleNotFoundError) -> ImportError:
    extra = f"[{entry.extra}]" if entry.extra else ""
    return MissingExtra(f"engine {engine!r} needs {error.name!r}: install darkroom{extra}")
