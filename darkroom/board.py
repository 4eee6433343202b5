"""Hands each record of `status` and `results` to those who watch its job."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from contracts.codec import Decoder, Invalid
from contracts.events import Result, Status

if TYPE_CHECKING:
    from contracts.topics import Topics
    from darkroom.watch import Watch


class Record(Protocol):
    """The part of a Kafka record that matters here."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Board:
    """Watches by job id. It forgets a watch as soon as nobody else holds it, so a long-lived client stays small."""

    def __init__(self, topics: Topics) -> None:
        self._status = topics.status
        self._watches: dict[bytes, list[weakref.ref[Watch]]] = {}
        self._read_status = Decoder(Status)
        self._read_result = Decoder(Result)
        self.seen: dict[tuple[str, int], int] = {}
        """(Topic, partition) to the offset of the next record to come."""

    def add(self, watch: Watch) -> None:
        """Tell this watch of its job from now on."""
        key = watch.id.encode()
        watch.first = not any(other.asked and other.tenant == watch.tenant for other in self._of(key))
        self._watches.setdefault(key, []).append(weakref.ref(watch, lambda ref: self._forget(key, ref)))

    def tell(self, record: Record) -> None:
        """A record just read."""
        self.seen[record.topic, record.partition] = record.offset + 1
        if record.key not in self._watches:
            return
        self.pass_on(record, [watch for watch in self._of(record.key) if record.offset >= watch.since.get(record.topic, 0)])

    def pass_on(self, record: Record, watches: list[Watch]) -> None:
        """Tell these watches what is in the record, if it is of their tenant."""
        try:
            if record.topic == self._status:
                _tell_status(self._read_status(record.value), watches)
            else:
                _tell_result(self._read_result(record.value), watches)
        except Invalid:
            return  # Not an event of ours, or of a version that knows more states.

    def _of(self, key: bytes) -> Iterator[Watch]:
        alive = (ref() for ref in self._watches.get(key, ()))
        return (watch for watch in alive if watch is not None)

    def _forget(self, key: bytes, ref: weakref.ref[Watch]) -> None:
        refs = self._watches.get(key, [])
        if ref in refs:
            refs.remove(ref)
        if not refs:
            self._watches.pop(key, None)


def _of_tenant(tenant: str, watches: list[Watch]) -> list[Watch]:
    return [watch for watch in watches if watch.tenant in (None, tenant)]


def _tell_status(status: Status, watches: list[Watch]) -> None:
    """Answers of admission go to the oldest sender that waits for one (and to onlookers), the rest to all."""
    told = _of_tenant(status.tenant, watches)
    if status.state in ("accepted", "conflict") or (status.repeated and any(w.unanswered for w in told)):
        told = _answered(told, [w for w in told if w.unanswered])
    elif status.state == "rejected":
        told = _answered(told, [w for w in told if w.unanswered or (w.owed_rejection and not w.over)])
    for watch in told:
        watch.tell_status(status)


def _tell_result(result: Result, watches: list[Watch]) -> None:
    told = _of_tenant(result.tenant, watches)
    if result.state == "rejected":
        told = _answered(told, [w for w in told if w.owed_rejection])
    for watch in told:
        watch.tell_result(result)


def _answered(watches: list[Watch], waiting: list[Watch]) -> list[Watch]:
    return [watch for watch in watches if not watch.asked] + waiting[:1]
