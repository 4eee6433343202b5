"""What every object store asks of what it is given: keys that are plain paths, bytes that are what they should be."""

from __future__ import annotations

import hashlib

from gpu_consumers.ports import DamagedObject, NoSuchObject, StoredObject

LONGEST = 255
"""Bytes of one segment that file systems take."""


def safe_parts(key: str) -> list[str]:
    """The segments of a key. Raises NoSuchObject for whatever is no plain relative path: keys are never trusted."""
    parts = key.split("/")
    if not all(_plain(part) for part in parts):
        raise NoSuchObject("not the key of an object")
    return parts


def is_key(key: str) -> bool:
    """Whether an object could have this key."""
    return all(_plain(part) for part in key.split("/"))


def digest_of(one: StoredObject) -> bytes:
    """The sha256 of an object. Raises DamagedObject if that is not the one it came with."""
    digest = hashlib.sha256(one.body).digest()
    if one.sha256 and one.sha256 != digest.hex():
        raise DamagedObject("an output is not what its sha256 says")
    return digest


def _plain(part: str) -> bool:
    if not part or part[0] == "." or "\\" in part or not part.isprintable():
        return False
    try:
        return len(part.encode()) <= LONGEST
    except UnicodeEncodeError:
        return False
