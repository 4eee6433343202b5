"""The catalogue that ships says of the built-in model what the model says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.catalog import load_catalog

SHIPPED = Path(__file__).resolve().parents[3] / "infra" / "models.toml"


def test_limits_of_the_built_in_model_are_those_of_its_folder() -> None:
    model = load_catalog(SHIPPED).find("scenes", "text-to-image")
    assert model
    facts = json.loads((Path(model.path) / "darkroom.json").read_text())
    assert model.tasks == facts["tasks"]
    assert model.version == facts["version"]
    assert (model.width, model.height) == (facts["width"]["default"], facts["height"]["default"])
    assert (model.min_side, model.max_side) == (facts["width"]["min"], facts["width"]["max"])
    assert (model.multiple, model.max_pixels) == (facts["width"]["multiple"], facts["max_pixels"])
    assert (model.steps, model.max_steps) == (facts["steps"]["default"], facts["steps"]["max"])
    assert (model.guidance, model.max_guidance) == (facts["guidance"]["default"], facts["guidance"]["max"])


def test_a_job_without_a_model_takes_its_task_s_default() -> None:
    catalog = load_catalog(SHIPPED)
    assert {task: catalog.find(None, task) is not None for task in catalog.defaults} == dict.fromkeys(catalog.defaults, True)


def test_a_bad_catalogue_names_file_and_field(tmp_path: Path) -> None:
    bad = tmp_path / "models.toml"
    bad.write_text(SHIPPED.read_text().replace('engine = "onnx"', "engine = 7"))
    with pytest.raises(ValueError, match=r"models\.toml.*engine"):
        load_catalog(bad)
