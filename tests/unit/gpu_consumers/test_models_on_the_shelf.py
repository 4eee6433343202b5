"""The models that an engine process holds, and what each takes of the device that they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engines import Engine, Memory, OutOfMemory
from engines.noop import NoopEngine
from gpu_consumers.frames import Run
from gpu_consumers.shelf import Shelf

WHOLE = 100


class Device:
    """One memory for all engines, as an allocator has."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self.held: list[str] = []

    def used(self) -> int:
        return sum(self._sizes[one] for one in self.held)

    def load(self, engine: str, path: str, options: Mapping[str, Any]) -> Engine:
        del engine, options
        if self.used() + self._sizes[path] > WHOLE:
            raise OutOfMemory(0)
        self.held.append(path)
        return On(self, path)


class On(NoopEngine):
    def __init__(self, device: Device, path: str) -> None:
        super().__init__()
        self._device, self._path = device, path

    def memory(self) -> Memory:
        used = self._device.used()
        return Memory(WHOLE, used, used)

    def close(self) -> None:
        self._device.held.remove(self._path)


@pytest.fixture
def device() -> Device:
    return Device({"a": 30, "b": 50, "c": 60})


@pytest.fixture
def shelf(device: Device) -> Shelf:
    return Shelf(device.load)


def took(shelf: Shelf, model: str) -> int | None:
    shelf.take(Run(run=1, model=model, engine="noop", path=model, options={}, tasks=[]))
    return shelf.taken.model_bytes


def test_what_a_model_takes_is_told_whatever_else_is_held(shelf: Shelf) -> None:
    assert [took(shelf, model) for model in ("a", "b", "a")] == [30, 50, 30]


def test_others_are_let_go_for_a_model_that_has_no_room_beside_them(shelf: Shelf, device: Device) -> None:
    assert [took(shelf, model) for model in ("a", "b", "c")] == [30, 50, 60]
    assert (shelf.models, device.held) == (["c"], ["c"])


def test_others_are_let_go_for_a_job_that_has_no_room_beside_them(shelf: Shelf, device: Device) -> None:
    took(shelf, "a")
    took(shelf, "b")
    assert shelf.keep_only("a")
    assert (shelf.models, device.held) == (["a"], ["a"])
    assert not shelf.keep_only("a"), "none are left"
    assert took(shelf, "b") == 50
    assert shelf.taken.cold, "its first run prepares it again"


def test_a_device_that_does_not_tell_is_no_device_without_memory() -> None:
    assert took(Shelf(lambda *_: NoopEngine()), "a") is None
