"""Two stores, of which the first goes away and comes back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from contracts.metrics import Metrics
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject
from infra.objects.fallback import AVOIDED_S, Fallback
from infra.objects.folder import Folder


class Unsteady(Folder):
    """A folder that can be away."""

    away = False
    asked = 0

    def put_now(self, objects: Sequence[StoredObject]) -> list[str]:
        self.asked += 1
        self._there()
        return super().put_now(objects)

    def get_now(self, key: str) -> bytes:
        self._there()
        return super().get_now(key)

    def remove_now(self, keys: Sequence[str]) -> None:
        self._there()
        super().remove_now(keys)

    async def tidy(self) -> None:
        self._there()
        await super().tidy()

    def _there(self) -> None:
        if self.away:
            raise ObjectsUnavailable("away")


class Both:
    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.first, self.second = Unsteady(folder / "first"), Unsteady(folder / "second")
        self.store = Fallback(self.first, self.second, Metrics(self.registry), lambda: self.now)

    @property
    def counted(self) -> float | None:
        return self.registry.get_sample_value("darkroom_second_store_total")


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


def one(key: str) -> list[StoredObject]:
    return [StoredObject(key=key, body=b"picture", media_type="image/png")]


async def test_the_second_takes_what_the_first_cannot_and_the_url_says_which(both: Both) -> None:
    assert await both.store.put(one("t/1")) == [both.first.url_of("t/1")]
    both.first.away = True
    assert await both.store.put(one("t/2")) == [both.second.url_of("t/2")]
    assert both.counted == 1
    both.first.away = False
    assert [await both.store.get(f"t/{n}") for n in (1, 2)] == [b"picture"] * 2


async def test_a_first_that_failed_is_left_alone_for_a_while_and_then_used_again(both: Both) -> None:
    both.first.away = True
    for n in range(3):
        await both.store.put(one(f"t/{n}"))
    assert both.first.asked == 1
    both.first.away = False
    both.now += AVOIDED_S
    assert await both.store.put(one("t/9")) == [both.first.url_of("t/9")]


async def test_what_may_be_in_the_first_is_not_said_to_be_nowhere(both: Both) -> None:
    await both.store.put(one("t/1"))
    both.first.away = True
    with pytest.raises(ObjectsUnavailable):
        await both.store.get("t/1")
    both.first.away = False
    with pytest.raises(NoSuchObject):
        await both.store.get("t/2")


async def test_with_both_away_a_put_is_unavailable_and_nothing_is_counted(both: Both) -> None:
    both.first.away = both.second.away = True
    with pytest.raises(ObjectsUnavailable):
        await both.store.put(one("t/1"))
    assert both.counted == 0


async def test_an_object_is_removed_from_both_and_from_one_while_the_other_is_away(both: Both) -> None:
    both.first.put_now(one("t/1"))
    both.second.put_now(one("t/1"))
    both.first.away = True
    with pytest.raises(ObjectsUnavailable):
        await both.store.remove(["t/1"])
    assert list(both.second.list_now()) == []
    both.first.away = False
    await both.store.remove(["t/1"])
    assert list(both.first.list_now()) == []


async def test_both_are_tidied_even_if_the_first_is_away(both: Both) -> None:
    both.first.away = True
    with pytest.raises(ObjectsUnavailable):
        await both.store.tidy()


def test_a_link_comes_from_the_store_that_the_url_names(both: Both) -> None:
    for store in (both.first, both.second):
        assert both.store.link("t/1", store.url_of("t/1"), 900) == store.url_of("t/1")
    with pytest.raises(NoSuchObject):
        both.store.link("t/1", "file:///elsewhere/t/1", 900)
