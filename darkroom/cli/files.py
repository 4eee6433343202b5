"""The files of a system that its commands read, too."""

from __future__ import annotations

from typing import NamedTuple

from contracts.catalog import Catalog
from contracts.tenants import Tenants
from darkroom.cli.where import Where
from darkroom.errors import NotRunning
from infra.catalog import open_catalog
from infra.settings import Models, read_settings
from infra.tenants import TenantsFile


class Files(NamedTuple):
    """What operators wrote."""

    catalog: Catalog
    tenants: Tenants


def files(where: Where) -> Files:
    """Those of the system on this machine; of one elsewhere, those that the settings name. Raises `DarkroomError`, BadSetting."""
    settings = read_settings()
    catalog, tenants = settings.models.catalog, settings.tenants.file
    try:
        here = None if where.kafka else where.running()
    except NotRunning:
        here = None  # the environment named its Kafka, so it tells of its files, too
    if here is not None:
        catalog, tenants = here.catalog or catalog, here.tenants
    return Files(open_catalog(Models(catalog=catalog)), TenantsFile(tenants).now)
