"""What was said of a job before this client started."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from darkroom.board import Board
from darkroom.ids import made_at
from darkroom.place import Place
from darkroom.watch import Watch
from darkroom.wire import consumer, partition_of, reach

SLACK_S = 600.0
"""How far the clocks of the id's maker and of Kafka may be apart (seconds)."""


async def tell_past(place: Place, board: Board, watch: Watch) -> None:
    """Tell the watch what the topics hold of its job, then put it on the board (a sender's is there already).

    Nothing is missed between: it reads as far as the background reader is.
    """
    reader = consumer(place)
    try:
        await reach(reader.start(), place)
        where = _places(place, board, watch.id)
        await _start_at(reader, place, where, made_at(watch.id))
        await _read(reader, place, where, board, watch)
    finally:
        with contextlib.suppress(KafkaError, OSError):
            await reader.stop()


def _places(place: Place, board: Board, id: str) -> list[TopicPartition]:
    names = (place.topics.status, place.topics.results)
    counts = {name: sum(topic == name for topic, _ in board.seen) for name in names}
    return [TopicPartition(name, partition_of(id, count)) for name, count in counts.items()]


async def _start_at(reader: AIOKafkaConsumer, place: Place, where: Sequence[TopicPartition], made: float | None) -> None:
    """Stand where the job can begin: its id tells when it was made, if it is one of ours."""
    reader.assign(where)
    since = max(made - SLACK_S, 0) if made else 0
    # The ends first: what comes after they were told, and before the other answer, is found or is behind them.
    ends = await reach(reader.end_offsets(where), place)
    found = await reach(reader.offsets_for_times({one: int(since * 1000) for one in where}), place)
    for one in where:
        reader.seek(one, found[one].offset if found.get(one) else ends[one])


async def _read(reader: AIOKafkaConsumer, place: Place, where: Sequence[TopicPartition], board: Board, watch: Watch) -> None:
    key = watch.id.encode()
    ends = await reach(reader.end_offsets(where), place)
    while any([await reader.position(one) < _goal(one, ends, board) for one in where]):
        for records in (await reach(reader.getmany(timeout_ms=250), place)).values():
            for record in records:
                if record.key == key:
                    board.pass_on(record, [watch])
    if watch.asked:
        return
    watch.since = {one.topic: await reader.position(one) for one in where}
    board.add(watch)


def _goal(one: TopicPartition, ends: dict[TopicPartition, int], board: Board) -> int:
    """As far as the background reader is: it may have passed the end that was asked for."""
    return max(int(ends[one]), board.seen[one.topic, one.partition])
