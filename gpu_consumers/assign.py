"""Who gets which partitions of `batches.<pool>`: balanced, and nobody loses a partition with a batch in hand if it can be helped.

aiokafka knows no cooperative rebalancing: everything is revoked and assigned anew each time. So each member says in its
join request what it owned and where it is busy, and the leader gives that back first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from msgspec import Struct

NAME = "darkroom-busy-first"
VERSION = 0


class Claim(Struct, frozen=True, kw_only=True, array_like=True):
    """What a member says of itself when it joins."""

    generation: int = -1
    """In which it owned these; of two that claim the same partition the later one is right."""
    owned: list[int] = []
    """Most wanted first: the partition whose batch runs, then those with a batch ready, then the idle ones."""


def share_out(claims: Mapping[str, Claim], partitions: Sequence[int]) -> dict[str, list[int]]:
    """Partitions for each member: counts differ by one at most, and of what it owned each keeps the most wanted."""
    if not claims:
        return {}
    kept = _claimed(claims, set(partitions))
    floor, spare = divmod(len(partitions), len(claims))
    shares: dict[str, list[int]] = {}
    for member in sorted(kept, key=lambda m: (-len(kept[m]), m)):  # those who owned most keep the odd one
        quota = floor + (1 if spare and len(kept[member]) > floor else 0)
        spare -= quota - floor
        shares[member] = kept[member][:quota]
    _fill(shares, [p for p in partitions if p not in {x for share in shares.values() for x in share}])
    return {member: sorted(share) for member, share in shares.items()}


def _claimed(claims: Mapping[str, Claim], partitions: set[int]) -> dict[str, list[int]]:
    free = set(partitions)
    kept: dict[str, list[int]] = {}
    for member in sorted(claims, key=lambda m: (-claims[m].generation, m)):
        kept[member] = [p for p in dict.fromkeys(claims[member].owned) if p in free]
        free.difference_update(kept[member])
    return kept


def _fill(shares: dict[str, list[int]], left: Iterable[int]) -> None:
    for partition in left:
        member = min(shares, key=lambda m: (len(shares[m]), m))
        shares[member].append(partition)


class BusyFirst(AbstractPartitionAssignor):
    """`share_out` as aiokafka wants it. It takes an object as well as a class, which is what lets it hold a claim."""

    name = NAME

    def __init__(self, claim: Callable[[], Claim]) -> None:
        self._claim = claim

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """This member's claim, asked for at each join."""
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), msgspec.msgpack.encode(self._claim()))

    def assign(self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]) -> dict[str, Any]:
        """Called in the leader."""
        topic = next(topic for member in members.values() for topic in member.subscription)
        partitions = sorted(cluster.partitions_for_topic(topic) or ())
        shares = share_out({member: _read(data.user_data) for member, data in members.items()}, partitions)
        return {m: ConsumerProtocolMemberAssignment(VERSION, [(topic, share)], b"") for m, share in shares.items()}

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """The book learns of it from the rebalance listener."""


def _read(data: bytes | None) -> Claim:
    try:
        return msgspec.msgpack.decode(data or b"", type=Claim)
    except msgspec.MsgspecError:
        return Claim()
