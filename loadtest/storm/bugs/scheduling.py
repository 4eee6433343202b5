"""Mistakes of the scheduler."""

from __future__ import annotations

from typing import Any

from loadtest.storm.bugs.plant import bug, swap


@bug("extra runs are paid for", strikes=())
def batch_sent_twice() -> None:
    """A batch whose write was acknowledged is written again."""

    def twice(old: Any) -> Any:
        async def batches(self: Any, records: Any) -> Any:
            await old(self, records)
            return await old(self, records)

        return batches

    swap("streams.wire:KafkaWire.batches", twice)


@bug("one result each", strikes=("streams",), backlog=True)
def commit_past_a_hole() -> None:
    """What is acknowledged is committed, whatever is unfinished before it."""

    def advance(_self: Any, book: Any) -> None:
        for one in [one for one in book.open if one.acked]:
            book.open.remove(one)
            book.load -= one.records
            book.finished = max(book.finished or 0, one.end)

    swap("streams.chunks.ledger:Ledger._advance", lambda _: advance)
