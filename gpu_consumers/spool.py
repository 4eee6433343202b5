"""Parcels in a folder of this machine: what is acknowledged is there after a crash, whole or, if damaged, set aside.

A file that only cannot be read now (no descriptor is free, the disk fails, permissions) stays as it is.

Written aside, flushed, renamed, the folder flushed: only then does `add` return. A name begins with the time, so that
names sort oldest first.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gpu_consumers.parcel import DamagedParcel, Parcel, Spot, UnreadableParcel, pack, unpack

log = logging.getLogger(__name__)

SUFFIX = ".parcel"
ASIDE = ".part"
"""Ends the name of a file that is being written."""
DAMAGED = ".damaged"
"""Put behind the name of what cannot be used; it stays where it is for a person to look at."""
_NAME = re.compile(r"(\d{20})-[0-9a-f]+-\d+\.parcel")


class SpoolFull(Exception):
    """There is no room for a parcel now, in the bounds that were set or on the disk."""


class Disk(Protocol):
    """The file system. Everything may raise OSError."""

    def write(self, path: Path, pieces: Sequence[bytes]) -> None:
        """Make a file, or replace one; its content is durable, its name not yet."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """At once or not at all; durable once the folder is."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in it durable."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file; one that is absent is no error."""
        ...

    def names(self, folder: Path) -> list[str]:
        """What is in it, sorted."""
        ...

    def read(self, path: Path) -> bytes:
        """A whole file."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Slip:
    """What is remembered of a parcel while it lies in the spool."""

    name: str
    size: int
    """Bytes of the file."""
    at: float
    """When it was put there (seconds since the epoch)."""
    spot: Spot
    places: list[int]


class Spool:
    """One folder that nobody else uses. To be opened before anything else."""

    def __init__(
        self, folder: Path, disk: Disk, *, max_bytes: int, max_files: int, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._folder, self._disk = folder, disk
        self._max_bytes, self._max_files = max_bytes, max_files
        self._clock = clock
        self._nonce = os.urandom(4).hex()
        self._count = itertools.count(1)
        self._sizes: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes of all parcels."""
        return sum(list(self._sizes.values()))  # a list of its own: threads add and remove

    @property
    def files(self) -> int:
        """How many there are."""
        return len(self._sizes)

    def full(self, size: int, files: int) -> bool:
        """Whether so much is as much as it may hold."""
        return size >= self._max_bytes or files >= self._max_files

    def open_now(self) -> list[Slip]:
        """What a former process left, oldest first, each read and checked. Blocking. Raises OSError."""
        slips = [slip for name in self._disk.names(self._folder) for slip in self._found(name)]
        self._sizes = {slip.name: slip.size for slip in slips}
        return slips

    async def add(self, parcel: Parcel) -> Slip:
        """Keep a parcel: it is durable when this returns. Raises SpoolFull."""
        return await asyncio.to_thread(self.add_now, parcel)

    async def read(self, slip: Slip) -> Parcel:
        """A parcel that is there. Raises DamagedParcel, after it was set aside, and UnreadableParcel: it may do later."""
        return await asyncio.to_thread(self.read_now, slip)

    async def set_aside(self, slip: Slip) -> None:
        """It cannot be used, though it is whole."""
        if slip.name in self._sizes:
            await asyncio.to_thread(self._set_aside, slip.name, "an output in it is damaged")

    def leave(self, slip: Slip) -> None:
        """It cannot be read, and is nothing of this life any more. Its file stays: the next life may do better."""
        self._sizes.pop(slip.name, None)

    async def remove(self, slips: Iterable[Slip]) -> None:
        """These are needed no more. One that cannot be removed is delivered again some day, which does no harm."""
        await asyncio.to_thread(self.remove_now, list(slips))

    def add_now(self, parcel: Parcel) -> Slip:
        """`add`, blocking."""
        pieces, at = pack(parcel), self._clock()
        size = sum(map(len, pieces))
        if self.files >= self._max_files or self.size + size > self._max_bytes:
            raise SpoolFull("the spool is as full as it may be")
        name = f"{at:020d}-{self._nonce}-{next(self._count)}{SUFFIX}"
        self._keep(name, pieces)
        self._sizes[name] = size
        return Slip(name=name, size=size, at=at / 1e9, spot=parcel.spot, places=parcel.places)

    def read_now(self, slip: Slip) -> Parcel:
        """`read`, blocking."""
        try:
            return unpack(self._bytes(slip.name))
        except DamagedParcel as error:
            self._set_aside(slip.name, str(error))
            raise

    def remove_now(self, slips: Iterable[Slip]) -> None:
        """`remove`, blocking."""
        for slip in slips:
            self._sizes.pop(slip.name, None)
            try:
                self._disk.remove(self._folder / slip.name)
            except OSError as error:
                log.warning("a parcel is left in the spool: %s", error.strerror, extra={"file": slip.name})

    def _bytes(self, name: str) -> bytes:
        try:
            return self._disk.read(self._folder / name)
        except FileNotFoundError:
            raise DamagedParcel("it is gone") from None
        except OSError as error:
            raise UnreadableParcel(error.strerror) from None  # an OSError's own text has the path in it

    def _keep(self, name: str, pieces: Sequence[bytes]) -> None:
        aside, final = self._folder / f"{name}{ASIDE}", self._folder / name
        try:
            self._disk.write(aside, pieces)
            self._disk.rename(aside, final)
            self._disk.sync_folder(self._folder)
        except OSError as error:
            for path in (aside, final):
                with contextlib.suppress(OSError):
                    self._disk.remove(path)
            raise SpoolFull(f"the spool cannot be written: {error.strerror}") from error

    def _found(self, name: str) -> list[Slip]:
        if name.endswith(ASIDE):
            # Never acknowledged: its run was not over for anybody.
            self._disk.remove(self._folder / name)
            return []
        named = _NAME.fullmatch(name)
        if named is None:
            if not name.endswith(DAMAGED):
                self._set_aside(name, "it is none of ours")
            return []
        return self._checked(name, int(named[1]) / 1e9)

    def _checked(self, name: str, at: float) -> list[Slip]:
        try:
            data = self._bytes(name)
            parcel = unpack(data)
        except DamagedParcel as error:
            self._set_aside(name, str(error))
            return []
        except UnreadableParcel as error:
            log.error("a file in the spool cannot be read and stays there: %s", error, extra={"file": name})  # noqa: TRY400
            return []
        return [Slip(name=name, size=len(data), at=at, spot=parcel.spot, places=parcel.places)]

    def _set_aside(self, name: str, why: str) -> None:
        self._sizes.pop(name, None)
        log.error("a file in the spool is set aside: %s", why, extra={"file": name})
        with contextlib.suppress(OSError):
            self._disk.rename(self._folder / name, self._folder / f"{name}{DAMAGED}")
