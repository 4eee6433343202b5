"""The onnx engine beside diffusers on the same weights, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import EngineBroken, OutOfMemory
from engines.folder import BUILTIN
from engines.onnx.sessions import Graphs, providers
from engines.onnx.tokens import Tokens
from engines.registry import load
from tests.support import tiny_pipelines
from tests.support.engine_runs import ask, difference, run
from tests.support.images import png

pytest.importorskip("torch", reason="makes and exports a model: needs the [torch] extra")
pytest.importorskip("onnx", reason="makes and exports a model: needs the [torch] extra")
pytestmark = pytest.mark.torch

PROMPTS = ["", "a red circle left of a blue square", "A  RED   circle", "an unknown wörd, 3 of them!", "circle " * 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from engines.builtin.onnx_graphs import export_graphs

    pipeline = tiny_pipelines.stable_diffusion_3()
    path = tiny_pipelines.save(pipeline, tmp_path_factory.mktemp("model"))
    export_graphs(path, (pipeline.text_encoder, pipeline.text_encoder_2), pipeline.transformer, pipeline.vae)
    return path


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"guidance": 1.0},
        {"steps": 9, "count": 2},
        {"height": 32},
        {"task": "image-to-image", "image": png(50), "strength": 0.7},
    ],
    ids=lambda fields: "-".join(fields) or "plain",
)
def test_both_engines_draw_the_same_picture(folder: Path, fields: dict[str, Any]) -> None:
    """Weights are stored in half precision in the graphs and rounded so by the export: the tolerance is for that."""
    pictures = [run(load(name, str(folder), {"threads": 1}), [ask(**fields)])["one"].images for name in ("onnx", "diffusers")]
    assert difference(*pictures) <= 3
    assert np.stack(pictures[0]).std() > 5, "a flat picture would prove nothing"


@pytest.mark.skipif(not (BUILTIN / "model_index.json").exists(), reason="the built-in model is not in this checkout")
def test_both_engines_draw_the_built_in_models_picture() -> None:
    asked = ask(width=128, height=128, steps=12, guidance=2.5, seed=3)
    pictures = [run(load(name, "", {"threads": 1}), [asked])["one"].images for name in ("onnx", "diffusers")]
    assert difference(*pictures) <= 3
    assert np.stack(pictures[0]).std() > 5


def test_ids_are_those_of_the_pipelines_tokenizer(folder: Path) -> None:
    from transformers import CLIPTokenizer

    theirs = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    expected = theirs(PROMPTS, padding="max_length", truncation=True, max_length=tiny_pipelines.TOKENS)["input_ids"]
    assert Tokens(folder / "tokenizer")(PROMPTS).tolist() == expected


def test_empty_tokens_stand_where_the_third_encoder_would(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "darkroom.json").write_text(json.dumps({"version": "9", "empty_t5_tokens": 5}))
    engine: Any = load("onnx", str(copy), {"threads": 1})
    (text,) = engine._backend.encode_text(["a red circle"])
    assert text["encoder_hidden_states"].shape == (1, tiny_pipelines.TOKENS + 5, 64)
    assert not text["encoder_hidden_states"][0, tiny_pipelines.TOKENS :].any()
    assert engine.info.version == "9"
    for name in ("diffusers", "onnx"):
        assert run(load(name, str(copy), {"threads": 1}), [ask()])


@pytest.mark.parametrize("missing", ["vae/encoder.onnx", "transformer/model.onnx", "tokenizer_2/tokenizer.json"])
def test_a_folder_that_lacks_a_part_is_refused_at_once(folder: Path, tmp_path: Path, missing: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / missing).unlink()
    with pytest.raises(EngineBroken, match=missing.replace(".", r"\.")):
        load("onnx", str(copy))


def test_a_pipeline_without_known_graphs_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    index = json.loads((copy / "model_index.json").read_text())
    for change in ({"_class_name": "FluxPipeline"}, {"text_encoder_3": ["transformers", "T5EncoderModel"]}):
        (copy / "model_index.json").write_text(json.dumps(index | change))
        with pytest.raises(EngineBroken):
            load("onnx", str(copy))


def test_memory_that_runs_out_is_told_with_its_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def run(self, *_: Any) -> None:
            raise RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer")

    graphs = Graphs(folder, device="cpu", threads=1)
    monkeypatch.setitem(graphs._sessions, "transformer", Full())
    with pytest.raises(OutOfMemory) as error:
        graphs.run("transformer", latents=np.zeros((6, 8, 8, 8), np.float32))
    assert error.value.rows == 6


def test_devices_are_named() -> None:
    assert providers("cpu") == ["CPUExecutionProvider"]
    assert providers("auto")[-1] == "CPUExecutionProvider"
    with pytest.raises(EngineBroken):
        providers("tpu")
