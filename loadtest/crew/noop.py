"""The model of load runs: it waits by a table and returns a flat colour, so what is measured is ours."""

from __future__ import annotations

from pathlib import Path

import msgspec

from contracts.catalog import Catalog, Cost, ModelSpec

NOOP = ModelSpec(
    name="noop",
    version="1",
    engine="noop",
    tasks=["text-to-image"],
    width=64,
    height=64,
    min_side=8,
    max_side=256,
    multiple=8,
    max_pixels=65536,
    steps=4,
    max_steps=8,
    guidance=1.0,
    cost=Cost(base_s=0.003, per_row_step_s=0.00001),
)
"""To be changed with `msgspec.structs.replace`. How long it takes say its `options` (`engines.noop.NoopOptions`); what is
predicted says its `cost`."""


def catalog_of(first: ModelSpec, *others: ModelSpec) -> Catalog:
    """These models; the first is the default for all that it can do."""
    return Catalog(defaults=dict.fromkeys(first.tasks, first.name), models=[first, *others])


def write_catalog(file: Path, catalog: Catalog) -> Path:
    """As `DARKROOM_MODELS_CATALOG` wants it."""
    file.write_bytes(msgspec.toml.encode(catalog))
    return file
