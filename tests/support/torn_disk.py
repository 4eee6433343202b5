"""A file system in memory that a crash may cut at any step, and that then keeps no more than it had to."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Choose = Callable[[int], int]
"""A number from 0 up to and including the one given: what chance, or an adversary, decides."""


class Cut(BaseException):
    """The power went."""


@dataclass
class _Content:
    data: bytes
    durable: bool


@dataclass
class TornDisk:
    """Implements gpu_consumers.spool.Disk for one folder. `flushes` and `orders`: switched off to plant a mistake."""

    steps: int = 0
    """After so many the power goes."""
    flushes: bool = True
    orders: bool = True
    _contents: dict[int, _Content] = field(default_factory=dict)
    _durable: dict[str, int] = field(default_factory=dict)
    """Names as they are on the medium."""
    _changes: list[tuple[str, int | None]] = field(default_factory=list)
    """Changes of names since: to which content, None: removed."""
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def write(self, path: Path, pieces: Sequence[bytes]) -> None:
        whole, made = b"".join(pieces), _Content(b"", durable=False)
        self._step()
        self._contents[number := next(self._ids)] = made
        self._changes.append((path.name, number))
        self._step()
        made.data = whole[: len(whole) // 2]
        self._step()
        made.data = whole
        self._step()
        made.durable = self.flushes

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        number = self._names()[old.name]
        self._changes += [(new.name, number), (old.name, None)]

    def sync_folder(self, folder: Path) -> None:  # noqa: ARG002 - there is only one
        self._step()
        if self.orders:
            self._durable, self._changes = self._names(), []

    def remove(self, path: Path) -> None:
        self._step()
        self._changes.append((path.name, None))

    def names(self, folder: Path) -> list[str]:  # noqa: ARG002
        return sorted(self._names())

    def read(self, path: Path) -> bytes:
        number = self._names().get(path.name)
        if number is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._contents[number].data

    def crash(self, choose: Choose) -> None:
        """What was not made durable is there, or is not, or is there in part."""
        # A rename is one change of two names, and changes reach the medium in their order.
        kept = choose(len(self._changes))
        if kept and kept < len(self._changes) and self._changes[kept][1] is None and self._changes[kept - 1][1] is not None:
            kept += 1
        self._changes = self._changes[:kept]
        self._durable, self._changes = self._names(), []
        for content in self._contents.values():
            if not content.durable:
                content.data = content.data[: choose(len(content.data))]
                content.durable = True

    def _names(self) -> dict[str, int]:
        names = dict(self._durable)
        for name, number in self._changes:
            if number is None:
                names.pop(name, None)
            else:
                names[name] = number
        return names

    def _step(self) -> None:
        if self.steps <= 0:
            raise Cut
        self.steps -= 1
