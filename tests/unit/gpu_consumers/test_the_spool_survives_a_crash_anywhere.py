"""Lives of a worker that write, remove and are cut off at any step, on a disk that keeps no more than it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.events import Output
from contracts.work import Outcome
from gpu_consumers.parcel import DamagedParcel, Parcel, Spot, pack, unpack
from gpu_consumers.ports import StoredObject
from gpu_consumers.spool import DAMAGED, Slip, Spool
from tests.support.torn_disk import Cut, TornDisk

FOLDER = Path("/spool")
ACTIONS = st.lists(st.sampled_from(["add", "add", "remove"]), max_size=6)
LIVES = st.lists(st.tuples(ACTIONS, st.integers(0, 40)), min_size=1, max_size=4)


def parcel(number: int, size: int = 40) -> Parcel:
    body = bytes([number % 256]) * size
    key, spot = f"t/2026-01-01/n-{number:x}/a.0.0.png", Spot(number % 3, number, f"batch-{number}")
    made = Output(key=key, url="", media_type="image/png", width=8, height=8, bytes=size, sha256="", seed=number)
    outcome = Outcome(id="a", tenant="t", state="succeeded", at=1.0, attempt=1, outputs=[made])
    return Parcel(spot=spot, places=[0], outcomes=[outcome], objects=[StoredObject(key=key, body=body, media_type="image/png")])


class Straight(Spool):
    """A mistake: the file is written under its last name."""

    def _keep(self, name: str, pieces: Sequence[bytes]) -> None:
        self._disk.write(self._folder / name, pieces)
        self._disk.sync_folder(self._folder)


class World:
    """What was acknowledged, and what must therefore be there."""

    def __init__(self, kind: type[Spool], disk: TornDisk) -> None:
        self.kind = kind
        self.disk = disk
        self.owed: dict[Spot, Slip] = {}
        self.known: set[Spot] = set()

    def live(self, actions: list[str], steps: int) -> None:
        self.disk.steps = 10**9
        spool = self.kind(FOLDER, self.disk, max_bytes=1 << 20, max_files=100)
        self._check(spool, spool.open_now())
        self.disk.steps = steps
        with suppress(Cut):
            for action in actions:
                self._act(spool, action)

    def _act(self, spool: Spool, action: str) -> None:
        if action == "add":
            one = parcel(len(self.known))
            self.known.add(one.spot)
            slip = spool.add_now(one)
            self.owed[one.spot] = slip
        elif self.owed:
            slip = self.owed.pop(next(iter(self.owed)))
            spool.remove_now([slip])

    def _check(self, spool: Spool, found: list[Slip]) -> None:
        spots = [slip.spot for slip in found]
        assert len(set(spots)) == len(spots), "a parcel is there twice"
        assert set(spots) >= self.owed.keys(), "an acknowledged parcel is gone"
        assert set(spots) <= self.known, "there is a parcel that nobody brought"
        for slip in found:
            assert spool.read_now(slip) == parcel(slip.spot.offset)
        assert not [name for name in self.disk.names(FOLDER) if name.endswith(DAMAGED)], "a crash alone damages nothing"
        assert spool.files == len(found)
        self.owed |= {slip.spot: slip for slip in found if slip.spot in self.owed}


def lived(kind: type[Spool], disk: TornDisk, lives: list[tuple[list[str], int]], choices: Any) -> None:
    world = World(kind, disk)
    for actions, steps in [*lives, ([], 0)]:
        world.live(actions, steps)
        world.disk.crash(lambda most: choices.draw(st.integers(0, most)))


@settings(deadline=None, max_examples=150)
@given(lives=LIVES, choices=st.data())
def test_what_was_acknowledged_is_there_after_any_crash_and_nothing_else_is(lives: list[Any], choices: Any) -> None:
    lived(Spool, TornDisk(), lives, choices)


@pytest.mark.parametrize(
    ("kind", "disk"),
    [(Spool, partial(TornDisk, flushes=False)), (Spool, partial(TornDisk, orders=False)), (Straight, TornDisk)],
    ids=["content is not flushed", "the folder is not flushed", "written under its last name"],
)
def test_the_checker_sees_a_spool_that_skips_a_step(kind: type[Spool], disk: Callable[[], TornDisk]) -> None:
    @settings(
        deadline=None, max_examples=2000, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(lives=LIVES, choices=st.data())
    def checked(lives: list[Any], choices: Any) -> None:
        lived(kind, disk(), lives, choices)

    with pytest.raises(AssertionError):
        checked()


@settings(deadline=None)
@given(cut=st.integers(0, 2000), flipped=st.integers(0, 2000), size=st.integers(0, 300))
def test_bytes_that_are_cut_short_or_changed_are_no_parcel(cut: int, flipped: int, size: int) -> None:
    whole = b"".join(pack(parcel(1, size)))
    assert unpack(whole) == parcel(1, size)
    with pytest.raises(DamagedParcel):
        unpack(whole[: cut % len(whole)])
    at = flipped % len(whole)
    with pytest.raises(DamagedParcel):
        unpack(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


@given(st.binary(max_size=200))
def test_no_bytes_whatever_are_taken_for_a_parcel(data: bytes) -> None:
    with pytest.raises(DamagedParcel):
        unpack(data)


def test_no_more_is_kept_than_the_bounds_say(tmp_path: Path) -> None:
    from gpu_consumers.disk import LocalDisk
    from gpu_consumers.spool import SpoolFull

    size = sum(map(len, pack(parcel(1))))
    spool = Spool(tmp_path, LocalDisk(), max_bytes=2 * size, max_files=10)
    assert not spool.open_now()
    first = spool.add_now(parcel(1))
    spool.add_now(parcel(2))
    with pytest.raises(SpoolFull):
        spool.add_now(parcel(3))
    spool.remove_now([first])
    spool.add_now(parcel(4))
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) == spool.size == 2 * size
