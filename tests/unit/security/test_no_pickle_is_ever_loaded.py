"""Model folders with a pickle in them that tells when it is loaded. None is: weights come as safetensors, or not at all."""

from __future__ import annotations

import ast
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from engines.registry import load
from tests.support import tiny_pipelines

ROOT = Path(__file__).resolve().parents[3]
BUILTIN = ROOT / "engines" / "builtin" / "model"


class Weapon:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "the pickle was loaded"


def test_the_weapon_works(mark: Path) -> None:
    pickle.loads(pickle.dumps(Weapon(mark)))  # noqa: S301  # our own
    assert mark.exists()


class TestTorch:
    """The engine for diffusers folders."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        pytest.importorskip("diffusers", reason="loads diffusers folders: needs the [torch] extra")
        return tiny_pipelines.save(tiny_pipelines.stable_diffusion(), tmp_path / "model")

    def poisoned(self, folder: Path, part: str, name: str, mark: Path) -> None:
        import torch

        torch.save({"weight": Weapon(mark)}, folder / part / name)

    def test_torch_itself_would_load_it(self, folder: Path, mark: Path) -> None:
        import torch

        self.poisoned(folder, "unet", "x.bin", mark)
        torch.load(folder / "unet" / "x.bin", weights_only=False)
        assert mark.exists()

    @pytest.mark.parametrize(
        ("part", "name"),
        [
            ("unet", "diffusion_pytorch_model.bin"),
            ("vae", "diffusion_pytorch_model.bin"),
            ("text_encoder", "pytorch_model.bin"),
            ("unet", "diffusion_pytorch_model.pt"),
            ("unet", "diffusion_pytorch_model.ckpt"),
        ],
    )
    def test_weights_in_a_pickle_are_refused_unread(self, folder: Path, mark: Path, part: str, name: str) -> None:
        for weights in (folder / part).glob("*.safetensors"):
            weights.unlink()
        self.poisoned(folder, part, name, mark)
        with pytest.raises(Exception, match=r"safetensors|no file named"):
            load("diffusers", str(folder), {"device": "cpu"})
        assert not mark.exists()

    def test_a_pickle_that_calls_itself_safetensors_is_refused_unread(self, folder: Path, mark: Path) -> None:
        (weights,) = (folder / "unet").glob("*.safetensors")
        weights.write_bytes(pickle.dumps(Weapon(mark)))
        with pytest.raises(Exception):  # noqa: B017, PT011 - safetensors has one of its own, by version
            load("diffusers", str(folder), {"device": "cpu"})
        assert not mark.exists()

    def test_a_pickle_beside_good_weights_is_left_alone(self, folder: Path, mark: Path) -> None:
        for part, name in (
            ("unet", "diffusion_pytorch_model.bin"),
            ("vae", "diffusion_pytorch_model.bin"),
            ("text_encoder", "pytorch_model.bin"),
        ):
            self.poisoned(folder, part, name, mark)
        (folder / "scheduler" / "scheduler.pkl").write_bytes(pickle.dumps(Weapon(mark)))
        load("diffusers", str(folder), {"device": "cpu"}).close()
        assert not mark.exists()


class TestOnnx:
    """The engine of the default install."""

    @pytest.mark.parametrize("graph", ["transformer/model.onnx", "vae/decoder.onnx", "text_encoder/model.onnx"])
    def test_a_pickle_that_calls_itself_a_graph_is_refused_unread(self, tmp_path: Path, mark: Path, graph: str) -> None:
        folder = Path(shutil.copytree(BUILTIN, tmp_path / "model"))
        (folder / graph).write_bytes(pickle.dumps(Weapon(mark)))
        with pytest.raises(Exception):  # noqa: B017, PT011 - onnxruntime's own, by what it makes of the bytes
            load("onnx", str(folder))
        assert not mark.exists()


LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe(source: str) -> list[str]:
    """What a file does that could run code out of data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in names if name.split(".")[0] in LOADERS]
        elif isinstance(node, ast.Call):
            found += _unsafe_call(node)
    return found


def _unsafe_call(node: ast.Call) -> list[str]:
    given = {one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)}
    called = ast.unparse(node.func)
    found = [name for name in ("trust_remote_code", "allow_pickle") if given.get(name)]
    if called == "torch.load" and given.get("weights_only") is not True:
        found.append(called)
    if called.endswith("from_pretrained") and given.get("use_safetensors") is False:
        found.append(called)
    return found


def test_no_code_of_ours_can_load_a_pickle() -> None:
    packages = ("contracts", "darkroom", "engines", "gpu_consumers", "infra", "loadtest", "streams")
    files = [file for one in packages for file in (ROOT / one).rglob("*.py")]
    assert len(files) > 100
    assert {str(file.relative_to(ROOT)): found for file in files if (found := unsafe(file.read_text()))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from dill import loads", "import joblib.numpy_pickle", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)", "Kind.from_pretrained(path, use_safetensors=False)",
    ],
)  # fmt: skip
def test_a_planted_line_is_found(line: str) -> None:
    assert unsafe(line)


def test_a_harmless_line_is_not() -> None:
    assert unsafe("torch.load(path, weights_only=True)\nnp.load(path)\nimport json") == []
