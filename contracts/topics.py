"""Topic names, their partitions and settings: the one place that knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.events import TIERS

DAY_MS = 86_400_000

MAX_EVENT_BYTES = 1_048_576
"""An event on `jobs` larger than this is rejected (bytes)."""

MAX_RECORD_BYTES = 16 * 1_048_576
"""The largest record an internal topic takes: a rejected event of 8 MiB, base64 in its dead letter, still fits."""


PARKED_S = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
"""Partition n of `parked.<pool>` is a line in which a job stays for so long before it is looked at again (seconds)."""


STATES_TAIL = 20
"""Records from the end of `pools`, for each pool, among which its last one is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
    """A topic as it must exist on the cluster."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Topics:
    """Names of all topics and consumer groups. `prefix` lets several systems share one cluster."""

    prefix: str = ""
    pools: tuple[str, ...] = ("default",)
    partitions: int = 4
    """Partitions of the topics that many processes may share (jobs, status, results, outcomes)."""
    batch_partitions: int = 16
    """Partitions of `batches.<pool>`: the most workers a pool can have."""
    overflow_partitions: int = 8
    """Partitions of `overflow.<pool>`: so many tenants' overflow is kept apart; of more, some share one."""
    jobs: str = field(init=False)
    control: str = field(init=False)
    status: str = field(init=False)
    results: str = field(init=False)
    dead: str = field(init=False)
    outcomes: str = field(init=False)
    workers: str = field(init=False)
    costs: str = field(init=False)
    states: str = field(init=False)

    def __post_init__(self) -> None:
        names = {"dead": "jobs.dead", "states": "pools"}
        for one in ("jobs", "control", "status", "results", "dead", "outcomes", "workers", "costs", "states"):
            object.__setattr__(self, one, self.prefix + names.get(one, one))

    def queue(self, pool: str, tier: str) -> str:
        """The topic of admitted jobs of one pool and tier."""
        return f"{self.prefix}queue.{pool}.{tier}"

    def queues(self, pool: str) -> dict[str, str]:
        """Tier to topic, most important tier first."""
        return {tier: self.queue(pool, tier) for tier in TIERS}

    def parked(self, pool: str) -> str:
        """The topic of jobs above their tenant's rate; its partitions are lines (`PARKED_S`)."""
        return f"{self.prefix}parked.{pool}"

    def overflow(self, pool: str) -> str:
        """The topic of admitted jobs that the scheduler's window had no room for."""
        return f"{self.prefix}overflow.{pool}"

    def batches(self, pool: str) -> str:
        """The topic whose partitions belong to the workers of one pool."""
        return f"{self.prefix}batches.{pool}"

    def group(self, role: str) -> str:
        """The consumer group of a role, e.g. `streams` or `gpu.default`."""
        return f"{self.prefix}darkroom.{role}"

    def specs(self) -> Iterator[TopicSpec]:
        """Every topic the system needs."""
        large = {"max.message.bytes": str(MAX_RECORD_BYTES)}
        for name, partitions in ((self.jobs, self.partitions), (self.control, 1)):
            yield TopicSpec(name=name, partitions=partitions, config={"max.message.bytes": str(MAX_RECORD_BYTES // 2)})
        for name in (self.status, self.results):
            yield TopicSpec(name=name, partitions=self.partitions, config={"retention.ms": str(7 * DAY_MS)})
        yield TopicSpec(name=self.dead, partitions=1, config={**large, "retention.ms": str(30 * DAY_MS)})
        yield TopicSpec(name=self.outcomes, partitions=self.partitions, config=large)
        yield TopicSpec(name=self.workers, partitions=1, config={"retention.ms": str(DAY_MS)})
        # What is out of date goes soon: whoever starts reads all of it.
        compacted = {"cleanup.policy": "compact", "segment.ms": str(DAY_MS // 24), "min.cleanable.dirty.ratio": "0.1"}
        yield TopicSpec(name=self.costs, partitions=1, config=compacted)
        # Read from the end; a segment is let go as a whole.
        short = {"retention.ms": str(DAY_MS // 24), "segment.ms": str(DAY_MS // 24 // 4)}
        yield TopicSpec(name=self.states, partitions=1, config=short)
        for pool in self.pools:
            yield from self._pool_specs(pool, large)

    def _pool_specs(self, pool: str, large: Mapping[str, str]) -> Iterator[TopicSpec]:
        # One partition a tier: one scheduler sees the whole pool, so order and fairness are global.
        for name in self.queues(pool).values():
            yield TopicSpec(name=name, partitions=1, config={**large, "retention.ms": str(7 * DAY_MS)})
        yield TopicSpec(name=self.parked(pool), partitions=len(PARKED_S), config={**large, "retention.ms": str(7 * DAY_MS)})
        kept = {**large, "retention.ms": str(7 * DAY_MS)}
        yield TopicSpec(name=self.overflow(pool), partitions=self.overflow_partitions, config=kept)
        yield TopicSpec(name=self.batches(pool), partitions=self.batch_partitions, config=large)
