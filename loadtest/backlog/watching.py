"""What is seen from outside meanwhile: results, batches, memory, and what waits where."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from contracts.events import Result
from contracts.topics import PARKED_S, Topics
from contracts.work import Batch
from loadtest.crew.crew import Crew
from loadtest.crew.watch import Place, Seen, Watch, committed, ends, lag

LOOK_S = 1.0
"""Between looks at memory."""

_RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(kw_only=True)
class Sight:
    """Everything seen."""

    latencies: list[tuple[str, str, float, float]] = field(default_factory=list)
    """Job, tenant, when it was submitted, and seconds from then to the end of its run."""
    batches: list[tuple[float, int]] = field(default_factory=list)
    """When each was formed, and its jobs."""
    runs: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Times each run (id and attempt) was dispatched."""
    resident: list[tuple[float, str, int]] = field(default_factory=list)
    """When, which process, and its resident memory (MiB)."""


class Eyes:
    """Watches until stopped."""

    def __init__(self, bootstrap: str, topics: Topics, crew: Crew, kafka_pid: int | None) -> None:
        self.sight = Sight()
        self._topics = topics
        self._bootstrap = bootstrap
        self._crew = crew
        self._kafka_pid = kafka_pid
        self._batches = topics.batches(topics.pools[0])
        places = {topics.results: topics.partitions, self._batches: topics.batch_partitions}
        self._watch = Watch(bootstrap, places, self._take)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._watch.run(), self._measure())

    def _take(self, topic: str, one: Seen[bytes]) -> None:
        if topic == self._batches:
            self._formed(msgspec.json.decode(one.value, type=Batch))
        else:
            self._ended(msgspec.json.decode(one.value, type=Result))

    def _formed(self, batch: Batch) -> None:
        self.sight.batches.append((batch.formed_at, len(batch.jobs)))
        self.sight.runs.update((job.id, job.attempt) for job in batch.jobs)

    def _ended(self, result: Result) -> None:
        if result.timings is not None:
            self.sight.latencies.append((result.id, result.tenant, result.timings.submitted_at, result.timings.total_s))

    async def _measure(self) -> None:
        while True:
            for name, pid in self._processes():
                if pid is not None and (mib := resident(pid)) is not None:
                    self.sight.resident.append((time.time(), name, mib))
            await asyncio.sleep(LOOK_S)

    def _processes(self) -> list[tuple[str, int | None]]:
        ours = [self._crew.streams, self._crew.settle, *self._crew.workers]
        return [("kafka", self._kafka_pid), *((one.name, one.pid) for one in ours)]

    async def waiting(self) -> dict[str, int]:
        """Records that nobody has finished: sent, on the ordinary queue, in overflow, and parked."""
        topics, pool = self._topics, self._topics.pools[0]
        places = {
            "sent": (topics.jobs, topics.partitions),
            "queue": (topics.queue(pool, "ordinary"), 1),
            "overflow": (topics.overflow(pool), topics.overflow_partitions),
            "parked": (topics.parked(pool), len(PARKED_S)),
        }
        done: dict[Place, int] = {}
        for role in ("streams", "overflow", "release"):
            done |= await committed(self._bootstrap, topics.group(role))
        left: Counter[str] = Counter()
        for place, count in lag(done, await ends(self._bootstrap, dict(places.values()))).items():
            left[place[0]] += count
        return {name: left[topic] for name, (topic, _) in places.items()}


def resident(pid: int) -> int | None:
    """Resident memory of a process (MiB); None: it has ended."""
    try:
        found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found.group(1)) // 1024 if found else None
