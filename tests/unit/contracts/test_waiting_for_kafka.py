from __future__ import annotations

import asyncio
import logging

import pytest

from contracts import waiting
from contracts.brokers import Brokers
from contracts.waiting import reached

NOBODY = Brokers(servers="127.0.0.1:1")


async def test_being_told_to_leave_ends_the_wait_between_two_knocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PAUSE_S", 3600.0)
    leave = asyncio.Event()
    reaching = asyncio.ensure_future(reached(NOBODY, leave))
    leave.set()
    async with asyncio.timeout(30):
        assert await reaching is False


async def test_that_nobody_answers_is_said_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    knocks = 0
    leave = asyncio.Event()

    async def knock(_: Brokers) -> bool:
        nonlocal knocks
        knocks += 1
        return knocks > 50

    monkeypatch.setattr(waiting, "PAUSE_S", 0.0)
    monkeypatch.setattr(waiting, "knock", knock)
    with caplog.at_level(logging.INFO, "contracts.waiting"):
        assert await reached(NOBODY, leave)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "kafka.bootstrap_servers" in caplog.text
