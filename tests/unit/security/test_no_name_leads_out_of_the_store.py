"""Hostile names against the store as a folder: as job id, as tenant and as key of the picture to start from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.codec import encode
from gpu_consumers.flight import Source, open_batch
from gpu_consumers.images import Images
from gpu_consumers.ports import NoSuchObject, StoredObject
from gpu_consumers.upload import key_of
from infra.objects.folder import Folder
from streams.policy.cost_model import CostModel
from streams.policy.decode import read_job
from streams.policy.place import place
from streams.policy.rejected import Rejected
from streams.policy.validate import Models
from tests.support.bad_jobs import USED, good
from tests.support.batches import batch, queued
from tests.support.hostile_names import NAMES

MODELS, COSTS = Models(USED), CostModel(USED)
SOURCE = Source(topic="batches.default", partition=0, offset=0)
OUTSIDE = {
    "x": b"outside",
    "x.png": b"outside",
    "secret": b"outside",
    "beside/x": b"outside",
    "objects/victim/d/g/secret.png": b"private",
}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A store with files beside it and another tenant's in it, and the working directory among them."""
    for name, body in OUTSIDE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    monkeypatch.chdir(tmp_path / "beside")
    yield Folder(tmp_path / "objects")
    assert {name: (tmp_path / name).read_bytes() for name in OUTSIDE} == OUTSIDE


def test_there_are_enough_of_them() -> None:
    assert len(set(NAMES)) >= 40


def admitted(**changes: object) -> bool:
    try:
        place(read_job(json.dumps(good("a") | changes).encode()), MODELS, COSTS)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("field", ["id", "tenant"])
def test_what_admission_lets_through_as_a_name_has_no_separator_in_it(field: str) -> None:
    through = [name for name in NAMES if admitted(**{field: name})]
    assert "victim" in through
    assert ".." in through, "made harmless when a key is made of it"
    assert not [name for name in through if set(name) & set("/\\%\0\n ~=") or not name.isascii()]


@pytest.mark.parametrize("name", NAMES)
async def test_outputs_of_a_job_stay_in_its_tenants_folder_whatever_it_is_called(
    store: Folder, tmp_path: Path, name: str
) -> None:
    """Also of a name that admission would never let through: nothing rests on admission alone."""
    before = everything(tmp_path)
    for tenant, id in (("acme", name), (name, "job"), (name, name)):
        key = key_of(tenant, id, "2026-01-02/0123-1", 0, 0, "png")
        try:
            await store.put([StoredObject(key=key, body=b"made", media_type="image/png")])
        except NoSuchObject:
            continue
        assert await store.get(key) == b"made"
        made = everything(tmp_path).keys() - before.keys()
        assert [one.startswith("objects/") for one in made] == [True]
        await store.remove([key])
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", NAMES)
async def test_no_key_of_a_picture_reads_what_is_not_the_tenants_own(store: Folder, name: str) -> None:
    class NoWeb:
        async def fetch(self, url: str) -> bytes:
            raise AssertionError(url)

    keys = [name, f"acme/{name}", f"acme/d/{name}", f"acme/{name}/victim/d/g/secret.png", f"acme/d/../../{name}"]
    tries = [key for key in keys if "://" not in key and "\ud800" not in key]
    flight = open_batch(1, SOURCE, encode(batch("b", [queued("j", tenant="acme", image=key) for key in tries])), time.time())
    found, unmade = await Images(store, NoWeb()).of(flight)
    assert found == {}
    assert {one.code for one in unmade} <= {"invalid"}
    assert len(unmade) == len(flight.entries)


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_read_or_removed_by_a_key_that_leads_out(store: Folder, tmp_path: Path, name: str) -> None:
    before = everything(tmp_path)
    for key in (name, f"../{name}", f"acme/../../{name}", f"{tmp_path}/{name}", f"victim/d/g/../../../../{name}"):
        await store.remove([key])
        with pytest.raises(NoSuchObject):
            await store.get(key)
    assert everything(tmp_path) == before


async def test_the_check_can_fail(tmp_path: Path) -> None:
    """A store that joins paths without a look, as one might write it."""

    class Careless(Folder):
        def path_of(self, key: str) -> Path:
            return Path(os.path.join(self.root, key))  # noqa: PTH118 - as careless code has it

    (tmp_path / "x").write_bytes(b"outside")
    (tmp_path / "objects" / "deep").mkdir(parents=True)
    assert await Careless(tmp_path / "objects" / "deep").get("../../x") == b"outside"
    with pytest.raises(NoSuchObject):
        await Folder(tmp_path / "objects" / "deep").get("../../x")
