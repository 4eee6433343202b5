"""The catalogue that the settings name."""

from __future__ import annotations

from pathlib import Path

from contracts.catalog import Catalog, load_catalog
from infra.settings import BadSetting, Models


def open_catalog(models: Models) -> Catalog:
    """Read it. Raises BadSetting."""
    try:
        return load_catalog(Path(models.catalog))
    except ValueError as error:
        raise BadSetting(f"models.catalog: {error}".replace("\n", " ")) from None
