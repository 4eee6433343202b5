"""A job's files, from the object store to where the caller wants them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from contracts.events import Output, Result
from darkroom.errors import DarkroomError


def save_outputs(result: Result, path: str | os.PathLike[str]) -> list[Path]:
    """Copy all files of a job and say where they are.

    `path` is a folder (it exists, or ends in a slash) or a file; of several files the second is called `name-2`, and so on.
    """
    targets = _targets(result, os.fspath(path))
    for output, target in zip(result.outputs, targets, strict=True):
        _copy(output, target)
    return targets


def _targets(result: Result, path: str) -> list[Path]:
    if path.endswith(("/", os.sep)) or Path(path).is_dir():
        return _numbered(Path(path), result.id.replace(":", "-"), [Path(one.key).suffix for one in result.outputs])
    target = Path(path)
    return _numbered(target.parent, target.stem, [target.suffix or Path(one.key).suffix for one in result.outputs])


def _numbered(folder: Path, stem: str, suffixes: Sequence[str]) -> list[Path]:
    return [folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}" for number, suffix in enumerate(suffixes, start=1)]


def _copy(output: Output, target: Path) -> None:
    source = _local(output)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, part)
        _check(part, output)
        part.replace(target)
    except FileNotFoundError:
        raise DarkroomError(f"{source} is not there (any more).") from None
    finally:
        part.unlink(missing_ok=True)


def _local(output: Output) -> Path:
    url = urlsplit(output.url)
    if url.scheme != "file":
        raise DarkroomError(f"The output is not on this machine: fetch it from {output.url}")
    return Path(unquote(url.path))


def _check(part: Path, output: Output) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != output.sha256:
        raise DarkroomError(f"The file at {output.url} is not the one the job made: its sha256 differs.")
