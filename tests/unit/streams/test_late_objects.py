"""Objects of late runs are removed, but settling does not wait for a store that does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from streams import late_objects
from streams.late_objects import BESIDE_MAX, LateObjects
from tests.support.eventually import eventually


@dataclass
class Store:
    """Answers only while it is `there`."""

    there: asyncio.Event = field(default_factory=asyncio.Event)
    removed: list[str] = field(default_factory=list)
    asked: int = 0

    async def remove(self, keys: Sequence[str]) -> None:
        self.asked += 1
        await self.there.wait()
        self.removed += keys


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(late_objects, "WAIT_S", 0.05)
    return Store()


async def test_a_store_that_works_has_removed_them_when_settling_goes_on(store: Store) -> None:
    asyncio.get_running_loop().call_later(0.01, store.there.set)
    await LateObjects(store).remove(["a"])
    assert store.removed == ["a"]


async def test_a_silent_store_holds_nobody_and_removes_them_when_it_is_back(store: Store) -> None:
    late = LateObjects(store)
    async with asyncio.timeout(10):
        for key in ("a", "b", "c"):
            await late.remove([key])
    assert store.removed == []
    store.there.set()
    await eventually(lambda: sorted(store.removed) == ["a", "b", "c"])
    await late.remove(["d"])
    assert store.removed[-1] == "d", "it is waited for again"


async def test_only_so_much_is_asked_of_a_silent_store(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    late = LateObjects(store)
    for _ in range(BESIDE_MAX + 5):
        await late.remove(["a"])
    assert store.asked == BESIDE_MAX
    assert caplog.text.count("were not removed: the store is silent") == 5
    await late.close(0.0)


async def test_a_store_that_refuses_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Refuses:
        async def remove(self, keys: Sequence[str]) -> None:  # noqa: ARG002
            raise OSError("no")

    with caplog.at_level(logging.WARNING):
        await LateObjects(Refuses()).remove(["a", "b"])
    assert "2 objects of late runs were not removed" in caplog.text


async def test_what_is_under_way_is_given_a_moment_at_the_end(store: Store) -> None:
    late = LateObjects(store)
    await late.remove(["a"])
    asyncio.get_running_loop().call_later(0.01, store.there.set)
    await late.close(5.0)
    assert store.removed == ["a"]
