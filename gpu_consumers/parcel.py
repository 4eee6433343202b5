"""What waits for the object store: outputs, and the outcomes to be told once they are stored. As a record and as bytes.

The bytes: a head with two lengths, the manifest in JSON, the bodies one after the other, a sha256 of all that.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec import Struct

from contracts.work import Outcome
from gpu_consumers.ports import StoredObject

MAGIC = b"darkroom spool 1"
HEAD = struct.Struct(f"<{len(MAGIC)}sQQ")
"""Magic, bytes of the manifest, bytes of all bodies."""
DIGEST = 32


class DamagedParcel(Exception):
    """These bytes are no parcel, or not the whole of one."""


class UnreadableParcel(Exception):
    """The disk does not give these bytes now; they may well be whole."""


class Spot(NamedTuple):
    """A batch, by where it is on `batches.<pool>` and by its id: a topic that was made anew counts from 0 again."""

    partition: int
    offset: int
    batch: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """Some jobs of a run. The outcomes have no URLs yet; their outputs are the objects, in the same order."""

    spot: Spot
    places: list[int]
    """Of the jobs in their batch."""
    outcomes: list[Outcome]
    objects: list[StoredObject]

    def with_urls(self, urls: Sequence[str]) -> list[Outcome]:
        """The outcomes as they are told: `urls` are those of the objects."""
        left = iter(urls)
        replace = msgspec.structs.replace
        return [replace(one, outputs=[replace(output, url=next(left)) for output in one.outputs]) for one in self.outcomes]


class _Object(Struct, frozen=True, kw_only=True, array_like=True):
    key: str
    media_type: str
    sha256: str
    size: int


class _Manifest(Struct, frozen=True, kw_only=True):
    spot: Spot
    places: list[int]
    outcomes: list[Outcome]
    objects: list[_Object]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Manifest).decode


def pack(parcel: Parcel) -> list[bytes]:
    """The bytes of a parcel, in pieces: bodies may be large and are not copied."""
    listed = [_Object(key=o.key, media_type=o.media_type, sha256=o.sha256, size=len(o.body)) for o in parcel.objects]
    manifest = _encode(_Manifest(spot=parcel.spot, places=parcel.places, outcomes=parcel.outcomes, objects=listed))
    bodies = [one.body for one in parcel.objects]
    pieces = [HEAD.pack(MAGIC, len(manifest), sum(map(len, bodies))), manifest, *bodies]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return [*pieces, digest.digest()]


def unpack(data: bytes) -> Parcel:
    """The parcel. Raises DamagedParcel."""
    if len(data) < HEAD.size + DIGEST:
        raise DamagedParcel("it is too short")
    magic, manifest_size, bodies_size = HEAD.unpack_from(data)
    if magic != MAGIC or len(data) != HEAD.size + manifest_size + bodies_size + DIGEST:
        raise DamagedParcel("it is of another length than it says")
    whole = memoryview(data)
    if hashlib.sha256(whole[:-DIGEST]).digest() != whole[-DIGEST:]:
        raise DamagedParcel("its checksum is wrong")
    return _opened(whole, manifest_size)


def _opened(whole: memoryview, manifest_size: int) -> Parcel:
    at = HEAD.size + manifest_size
    try:
        manifest = _decode(bytes(whole[HEAD.size : at]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DamagedParcel("its manifest cannot be read") from None
    objects = []
    for one in manifest.objects:
        body = bytes(whole[at : at + one.size])
        objects.append(StoredObject(key=one.key, body=body, media_type=one.media_type, sha256=one.sha256))
        at += one.size
    return Parcel(spot=manifest.spot, places=manifest.places, outcomes=manifest.outcomes, objects=objects)
