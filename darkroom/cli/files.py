"""The files of a system that its commands read, too."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from contracts.catalog import Catalog, load_catalog
from contracts.tenants import Tenants, load_tenants
from darkroom.cli.where import Where
from darkroom.errors import DarkroomError, NotRunning
from infra.settings import read_settings


class Files(NamedTuple):
    """What operators wrote."""

    catalog: Catalog
    tenants: Tenants


def files(where: Where) -> Files:
    """Those of the system on this machine; of one elsewhere, those that the settings name. Raises `DarkroomError`."""
    settings = read_settings()
    catalog, tenants = settings.models.catalog, settings.tenants.file
    try:
        here = None if where.kafka else where.running()
    except NotRunning:
        here = None  # the environment named its Kafka, so it tells of its files, too
    if here is not None:
        catalog, tenants = here.catalog or catalog, here.tenants
    try:
        return Files(load_catalog(Path(catalog)), load_tenants(Path(tenants)) if tenants else Tenants())
    except ValueError as error:
        raise DarkroomError(str(error)) from None
