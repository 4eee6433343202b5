"""A store that is away, workers that die meanwhile, and a spool without room."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpu_consumers import deliver, drain, pauses
from gpu_consumers.disk import LocalDisk
from gpu_consumers.flight import Flight
from gpu_consumers.frames import Told
from tests.support.desks import Desk, Ledger, Memory, desk, flight, idle, told
from tests.support.eventually import eventually


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "RETRY_S", (0.01,))
    monkeypatch.setattr(drain, "SWEEP_S", 0.01)


async def spooled(at: Desk, count: int) -> None:
    await eventually(lambda: at.backlog.waiting == count, what=f"{count} items in the spool")


async def test_runs_that_end_while_the_store_is_away_wait_on_disk_and_are_told_in_order_when_it_is_back(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True)) as at:
        for number in (1, 2, 3):
            one = flight(number)
            at.delivery.put(one, told(one))
        await spooled(at, 3)
        await idle()
        assert not at.ledger.records, "an outcome was told before its object was there"
        assert not at.done
        assert at.backlog.runs == 3, "the engine is free for others"
        assert at.metrics.spool_bytes._value.get() == sum(f.stat().st_size for f in tmp_path.iterdir())
        at.store.down = False
        await eventually(lambda: at.done == [1, 2, 3])
        good = [one for one in at.ledger.outcomes if one.state == "succeeded"]
        assert [at.store.held[one.outputs[0].key] for one in good] == [b"png"] * 3
        assert all(one.outputs[0].url == f"memory:{one.outputs[0].key}" for one in good)
        await eventually(lambda: not list(tmp_path.iterdir()), what="an empty spool")
        assert at.metrics.spool_bytes._value.get() == 0


async def test_a_store_that_hangs_is_away_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "PATIENCE_S", 0.02)
    async with desk(tmp_path) as at:
        at.store.gate.clear()
        one = flight()
        at.delivery.put(one, told(one))
        await spooled(at, 1)
        at.store.gate.set()
        await eventually(lambda: at.done == [1])


async def left_by_a_dead_worker(folder: Path, store: Memory, ledger: Ledger, count: int = 1) -> None:
    async with desk(folder, store=store, ledger=ledger) as at:
        for number in range(1, count + 1):
            one = flight(number)
            at.delivery.put(one, told(one))
        await spooled(at, count)


def nothing_left(one: Flight) -> Told:
    """What is told of a batch all of whose jobs had their outcome in the spool."""
    return Told(run=one.run, made=[], unmade=[], over=True)


async def test_the_next_life_tells_what_the_last_one_left_and_does_not_run_it_again(tmp_path: Path) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger)
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        again = flight(7, offset=1)
        assert at.delivery.claim(again) == {0, 1}, "both jobs have their outcome"
        assert at.delivery.claim(flight(8, offset=2)) == set(), "another batch"
        at.delivery.put(again, nothing_left(again))
        await spooled(at, 2)
        store.down = False
        await eventually(lambda: at.done == [7])
        assert [one.id for one in ledger.outcomes] == ["a", "b"]
        await eventually(lambda: not list(tmp_path.iterdir()), what="an empty spool")


async def test_a_batch_that_comes_after_its_outcomes_were_told_is_not_run_either(tmp_path: Path) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger)
    store.down = False
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        await eventually(lambda: len(ledger.outcomes) == 2)
        await spooled(at, 0)
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        again = flight(9, offset=1)
        assert at.delivery.claim(again) == {0, 1}, "killed again before the batch was committed"
        at.delivery.put(again, nothing_left(again))
        await eventually(lambda: at.done == [9])
        assert len(ledger.outcomes) == 4, "told again: settle knows them"
        assert len({one.outputs[0].key for one in ledger.outcomes if one.outputs}) == 1, "under the same key"
        await eventually(lambda: not list(tmp_path.iterdir()), what="an empty spool")


async def test_what_was_told_of_batches_that_others_have_is_let_go(tmp_path: Path) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger, 3)
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        await at.backlog.sweep(lambda _partition, _offset: False)
        assert len(list(tmp_path.iterdir())) == 3, "not told yet"
        store.down = False
        await spooled(at, 0)
        await at.backlog.sweep(lambda _partition, offset: offset == 2)
        assert len(list(tmp_path.iterdir())) == 1
        assert at.delivery.claim(flight(5, offset=2)) == {0, 1}


async def test_files_whose_sweep_was_cancelled_before_a_thread_took_it_up_go_with_the_next(tmp_path: Path) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger, 2)
    busy = threading.Event()
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        store.down = False
        await spooled(at, 0)
        with ThreadPoolExecutor(1) as threads:
            asyncio.get_running_loop().set_default_executor(threads)
            threads.submit(busy.wait)
            sweep = asyncio.create_task(at.backlog.sweep(nobodys))
            await asyncio.sleep(0)
            sweep.cancel()
            await asyncio.gather(sweep, return_exceptions=True)
            busy.set()
            await at.backlog.sweep(nobodys)
    assert not list(tmp_path.iterdir())


def nobodys(_partition: int, _offset: int) -> bool:
    return False


async def test_a_damaged_file_of_a_former_life_is_set_aside_and_its_batch_runs_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger, 2)
    first, _ = sorted(tmp_path.iterdir())
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (tmp_path / "holiday.jpeg").write_bytes(b"none of ours")
    (tmp_path / f"{first.name}.part").write_bytes(b"cut off")
    store.down = False
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        assert at.delivery.claim(flight(5, offset=1)) == set()
        assert at.delivery.claim(flight(6, offset=2)) == {0, 1}
        await eventually(lambda: len(ledger.outcomes) == 2)
    aside = sorted(one.name for one in tmp_path.iterdir() if one.suffix == ".damaged")
    assert aside == sorted([f"{first.name}.damaged", "holiday.jpeg.damaged"])
    assert sum("set aside" in line for line in caplog.messages) == 2
    async with desk(tmp_path, store=store, ledger=ledger):
        assert sum("set aside" in line for line in caplog.messages) == 2, "said once"


async def test_outputs_damaged_under_a_run_in_hand_fail_its_jobs_for_a_retry(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True)) as at:
        for number in (1, 2):
            one = flight(number)
            at.delivery.put(one, told(one))
        await spooled(at, 2)
        await eventually(lambda: len(list(tmp_path.iterdir())) == 2)
        second = sorted(tmp_path.iterdir())[1]
        second.write_bytes(b"")
        at.store.down = False
        await eventually(lambda: at.done == [1, 2])
        lost = at.ledger.outcomes[2:]
        assert [(one.id, one.state, one.error.code, one.error.retryable) for one in lost if one.error] == [
            ("a", "failed", "storage", True),
            ("b", "failed", "storage", True),
        ]
        assert all(b'"id"' in bytes(one.queued) for one in lost), "enough to queue them again"


async def test_outputs_that_the_store_finds_damaged_fail_their_jobs_and_are_set_aside(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True)) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await spooled(at, 1)
        at.store.down, at.store.damaged = False, True
        await eventually(lambda: at.done == [1])
        assert [one.state for one in at.ledger.outcomes] == ["failed", "failed"]
        assert [one.suffix for one in tmp_path.iterdir()] == [".damaged"], "the next life would try it again, and the one after"
        assert at.spool.files == 0


async def test_a_full_spool_takes_nothing_more_and_loses_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True), max_files=2) as at:
        runs = [flight(number) for number in (1, 2, 3)]
        at.delivery.put(runs[0], told(runs[0]))
        await spooled(at, 1)
        assert not at.backlog.full
        at.delivery.put(runs[1], told(runs[1]))
        await spooled(at, 2)
        assert at.backlog.full, "no more batches"
        assert at.metrics.spool_full._value.get() == 1
        at.delivery.put(runs[2], told(runs[2]))
        await eventually(lambda: at.backlog.refused)
        assert len(list(tmp_path.iterdir())) == 2
        at.store.down = False
        await eventually(lambda: at.done == [1, 2, 3])
        assert not at.backlog.full
        assert at.metrics.spool_full._value.get() == 0


async def test_a_parcel_that_no_bound_allows_waits_for_the_store_itself(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True), max_bytes=100) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await eventually(lambda: at.backlog.full)
        at.store.down = False
        await eventually(lambda: at.done == [1])
        assert not at.backlog.full


class NoSpace(LocalDisk):
    """A full file system, until somebody clears it."""

    left = 0

    def write(self, path: Path, pieces: Sequence[bytes]) -> None:
        if self.left < sum(map(len, pieces)):
            path.write_bytes(pieces[0])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(path, pieces)


async def test_a_full_disk_takes_nothing_more_and_loses_nothing(tmp_path: Path) -> None:
    disk = NoSpace()
    async with desk(tmp_path, store=Memory(down=True), disk=disk) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await eventually(lambda: at.backlog.full)
        disk.left = 1 << 20
        await spooled(at, 1)
        assert not at.backlog.full
        assert len(list(tmp_path.iterdir())) == 1, "half a file takes room, too"
        at.store.down = False
        await eventually(lambda: at.done == [1])


async def test_a_batch_lost_while_it_waits_is_told_all_the_same_and_is_nobodys_to_commit(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True)) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await spooled(at, 1)
        one.lost = True
        assert at.backlog.runs == 0
        at.store.down = False
        await eventually(lambda: len(at.ledger.outcomes) == 2)
        await spooled(at, 0)
        assert not at.done


async def test_no_prompt_is_readable_for_others_in_the_spool(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True)) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await spooled(at, 1)
        (file,) = tmp_path.iterdir()
        assert file.stat().st_mode & 0o077 == 0


async def test_the_age_of_the_oldest_is_told_over_lives(tmp_path: Path) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger)
    (file,) = tmp_path.iterdir()
    name = file.name
    file.rename(tmp_path / f"{int(name[:20]) - 3600 * 10**9:020d}{name[20:]}")
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        (sample,) = [one for metric in at.metrics.spool_age.collect() for one in metric.samples]
        assert 3600 <= sample.value < 3700


class Sullen(LocalDisk):
    """A disk that does not give a file so many times."""

    def __init__(self, number: int, times: int) -> None:
        self.number, self.times = number, times

    def read(self, path: Path) -> bytes:
        if self.times:
            self.times -= 1
            raise OSError(self.number, os.strerror(self.number), str(path))
        return super().read(path)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
async def test_a_file_that_cannot_be_read_for_a_while_is_tried_again_and_told(tmp_path: Path, number: int) -> None:
    disk = Sullen(number, 3)
    async with desk(tmp_path, store=Memory(down=True), disk=disk) as at:
        one = flight()
        at.delivery.put(one, told(one))
        await spooled(at, 1)
        at.store.down = False
        await eventually(lambda: at.done == [1])
        assert disk.times == 0, "the disk was never asked in vain"
        assert [one.state for one in at.ledger.outcomes] == ["succeeded", "failed"], "a good parcel was thrown away"
        await eventually(lambda: not list(tmp_path.iterdir()), what="an empty spool")


async def test_a_file_that_is_never_given_holds_nobody_up_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "READ_TRIES", 2)
    async with desk(tmp_path, store=Memory(down=True), disk=Sullen(errno.EIO, 3)) as at:
        for one in (flight(1), flight(2)):
            at.delivery.put(one, told(one))
        await eventually(lambda: at.done == [1])
        at.store.down = False
        await eventually(lambda: at.done == [1, 2])
        assert [one.error.code for one in at.ledger.outcomes[:2] if one.error] == ["storage", "storage"]
        assert [one.state for one in at.ledger.outcomes[2:]] == ["succeeded", "failed"]
        await eventually(lambda: len(list(tmp_path.iterdir())) == 1, what="the second to be swept")
        assert [one.suffix for one in tmp_path.iterdir()] == [".parcel"], "whole, and left for the next life"
        assert at.spool.files == 0


async def test_a_file_of_a_former_life_that_cannot_be_read_stays_and_its_batch_runs_again(tmp_path: Path) -> None:
    store, ledger = Memory(down=True), Ledger()
    await left_by_a_dead_worker(tmp_path, store, ledger)
    async with desk(tmp_path, store=store, ledger=ledger, disk=Sullen(errno.EACCES, 1)) as at:
        assert at.delivery.claim(flight(5, offset=1)) == set()
        assert [one.suffix for one in tmp_path.iterdir()] == [".parcel"]
    async with desk(tmp_path, store=store, ledger=ledger) as at:
        assert at.delivery.claim(flight(6, offset=1)) == {0, 1}, "the next life can read it"


async def test_a_file_that_is_gone_fails_its_jobs_for_a_retry(tmp_path: Path) -> None:
    async with desk(tmp_path, store=Memory(down=True)) as at:
        for one in (flight(1), flight(2)):
            at.delivery.put(one, told(one))
        await spooled(at, 2)
        sorted(tmp_path.iterdir())[1].unlink()
        at.store.down = False
        await eventually(lambda: at.done == [1, 2])
        assert [one.error.code for one in at.ledger.outcomes[2:] if one.error] == ["storage", "storage"]
