"""A consumer that stands still says so and goes, instead of freezing without a word."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from streams.chunks import STUCK_EXIT_STATUS
from streams.chunks.fetch import FetchThread
from tests.support.chunk_app import noting, numbers, running, send_all, values
from tests.support.eventually import eventually
from tests.support.topics import create_topics

pytestmark = pytest.mark.integration


async def test_agent_that_raised_leaves_a_chunk_that_is_reported(bootstrap: str, topic_prefix: str) -> None:
    topic = topic_prefix
    await create_topics(bootstrap, {topic: 1})
    await send_all(bootstrap, topic, numbers(3))
    reasons: list[str] = []
    seen: list[Any] = []

    def fail(event: Any) -> None:
        seen.append(event)
        raise RuntimeError("a bug of the agent")

    watch = {"stuck_after": {topic: 0.2}, "watch_every": 0.05, "on_stuck": reasons.append}
    async with running(bootstrap, topic, [topic], fail, **watch):
        await eventually(lambda: reasons)
    assert reasons[0].startswith(f"the chunk of {topic}[0] that ends before offset 3 is not acknowledged")


async def test_chunks_that_may_be_held_are_not_reported(bootstrap: str, topic_prefix: str) -> None:
    held, other = f"{topic_prefix}-held", f"{topic_prefix}-other"
    await create_topics(bootstrap, {held: 1, other: 1})
    await send_all(bootstrap, held, numbers(3))
    reasons: list[str] = []
    seen: list[Any] = []
    limits = {held: None, other: 0.2}
    async with running(
        bootstrap, topic_prefix, [held, other], seen.append, stuck_after=limits, watch_every=0.05, on_stuck=reasons.append
    ):
        await eventually(lambda: values(seen) == numbers(3))
        assert reasons == []
        await send_all(bootstrap, other, numbers(1))
        await eventually(lambda: reasons)
    assert other in reasons[0]


async def test_records_that_are_never_fetched_are_a_stall(
    bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_nothing(self: FetchThread, consumer: Any) -> list[Any]:
        return []

    monkeypatch.setattr(FetchThread, "_take", take_nothing)
    await create_topics(bootstrap, {topic_prefix: 1})
    await send_all(bootstrap, topic_prefix, numbers(3))
    reasons: list[str] = []
    watch = {"stall_after": 0.5, "watch_every": 0.1, "on_stuck": reasons.append}
    async with running(bootstrap, topic_prefix, [topic_prefix], lambda e: e.ack(), **watch):
        await eventually(lambda: any("has records, none is delivered" in reason for reason in reasons))


async def test_commits_that_never_arrive_are_a_stall(bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose(self: FetchThread, epoch: int, offsets: Any) -> bool:
        return False

    monkeypatch.setattr(FetchThread, "_commit_in", lose)
    await create_topics(bootstrap, {topic_prefix: 1})
    await send_all(bootstrap, topic_prefix, numbers(3))
    reasons: list[str] = []
    watch = {"stall_after": 0.5, "watch_every": 0.1, "on_stuck": reasons.append}
    async with running(bootstrap, topic_prefix, [topic_prefix], lambda e: e.ack(), **watch):
        await eventually(lambda: any("is finished up to 3 and not committed" in reason for reason in reasons))


async def test_healthy_consumer_is_never_reported(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1})
    reasons: list[str] = []
    seen: list[Any] = []
    watch = {"stuck_after": {topic_prefix: 0.5}, "stall_after": 0.5, "watch_every": 0.02, "on_stuck": reasons.append}
    async with running(bootstrap, topic_prefix, [topic_prefix], noting(seen), **watch):
        for n in range(30):
            await send_all(bootstrap, topic_prefix, numbers(20))
            await eventually(lambda n=n: len(values(seen)) == 20 * (n + 1))  # type: ignore[misc]
    assert reasons == []


async def test_stuck_process_ends_with_its_own_status_and_a_line_that_says_why(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1})
    await send_all(bootstrap, topic_prefix, [b"a secret prompt"])
    argv = [sys.executable, "-m", "tests.support.chunk_worker", bootstrap, topic_prefix, "--fail", "--stuck-after=0.5"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221 (nothing else runs)
    assert ended.returncode == STUCK_EXIT_STATUS, ended.stderr
    assert f"the chunk of {topic_prefix}[0] that ends before offset 1 is not acknowledged" in ended.stderr
    assert "a secret prompt" not in ended.stderr
