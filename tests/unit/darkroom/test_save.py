import hashlib
from pathlib import Path

import pytest

from contracts.events import Output, Result
from darkroom.errors import DarkroomError
from darkroom.save import save_outputs


def made(folder: Path, *contents: bytes) -> Result:
    outputs = []
    for number, content in enumerate(contents):
        file = folder / f"object {number}.png"
        file.write_bytes(content)
        outputs.append(
            Output(
                key=f"a/{file.name}",
                url=file.as_uri(),
                media_type="image/png",
                width=1,
                height=1,
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                seed=number,
            )
        )
    return Result(id="job:1", tenant="acme", state="succeeded", outputs=outputs)


def test_one_picture_goes_to_the_file_named(tmp_path: Path) -> None:
    target = tmp_path / "new" / "circle.png"
    assert save_outputs(made(tmp_path, b"one"), target) == [target]
    assert target.read_bytes() == b"one"


def test_of_several_pictures_the_later_ones_are_numbered(tmp_path: Path) -> None:
    files = save_outputs(made(tmp_path, b"one", b"two"), tmp_path / "x.png")
    assert [file.name for file in files] == ["x.png", "x-2.png"]


def test_in_a_folder_files_are_called_by_the_jobs_id(tmp_path: Path) -> None:
    assert save_outputs(made(tmp_path, b"one"), f"{tmp_path}/out/") == [tmp_path / "out" / "job-1.png"]


def test_a_name_without_an_ending_gets_the_pictures(tmp_path: Path) -> None:
    assert save_outputs(made(tmp_path, b"one"), tmp_path / "x")[0].name == "x.png"


def test_a_file_that_is_not_the_jobs_is_not_saved(tmp_path: Path) -> None:
    result = made(tmp_path, b"one")
    (tmp_path / "object 0.png").write_bytes(b"other")
    with pytest.raises(DarkroomError, match="sha256"):
        save_outputs(result, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_a_file_that_is_gone_is_said_to_be_so(tmp_path: Path) -> None:
    result = made(tmp_path, b"one")
    (tmp_path / "object 0.png").unlink()
    with pytest.raises(DarkroomError, match="not there"):
        save_outputs(result, tmp_path / "x.png")
