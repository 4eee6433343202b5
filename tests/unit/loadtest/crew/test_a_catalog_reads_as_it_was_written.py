"""Load runs write the catalogue that the processes read."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from contracts.catalog import load_catalog
from loadtest.crew.noop import NOOP, catalog_of, write_catalog
from tests.support.bad_jobs import USED

ODD = replace(NOOP, options={"poison": 'a "quoted"\nöne \\', "full_size": True, "picture_s": 1e-7, "side": 8})


def test_every_field_of_every_model_comes_back(tmp_path: Path) -> None:
    for catalog in (USED, catalog_of(ODD)):
        assert load_catalog(write_catalog(tmp_path / "models.toml", catalog)) == catalog
