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
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        _fetch(output, part)
        _check(part, output)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _fetch(output: Output, part: Path) -> None:
    url = urlsplit(output.url)
    if url.scheme != "file":
        part.write_bytes(_download(output.url))
        return
    source = Path(unquote(url.path))
    try:
        shutil.copyfile(source, part)
    except FileNotFoundError:
        raise DarkroomError(f"{source} is not there (any more).") from None


def _download(url: str) -> bytes:
    # Imported where it is used: most outputs are files, and a client needs nothing of ours for those.
    from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable
    from infra.objects.connect import download
    from infra.settings import BadSetting

    try:
        return download(url)
    except (NoSuchObject, ObjectsUnavailable, BadSetting) as error:
        raise DarkroomError(f"The output at {url} cannot be fetched from here: {error}") from error


def _check(part: Path, output: Output) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != output.sha256:
        raise DarkroomError(f"The file at {output.url} is not the one the job made: its sha256 differs.")
