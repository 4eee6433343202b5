"""How big a storm, and how hard."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Places = Literal["embedded", "cached", "real"]
"""embedded: a SQLite file and a folder. cached: with a Redis before the file. real: Cassandra, S3 and Redis."""


class Options(Struct, frozen=True, kw_only=True):
    """Everything that makes one storm. The same options draw the same load and the same faults."""

    seed: int = 1
    jobs: int = 2000
    """Ids that are sent; duplicates, conflicts, twins and cancels come on top."""
    rate: float = 20.0
    """Ids a second, whatever the answers do (open loop)."""
    partitions: int = 4
    brokers: int = 1
    broker_faults: bool = True
    stores: Places = "embedded"
    """Where jobs and objects are kept. Servers are struck, too."""
    fair_s: tuple[float, float] = (10.0, 25.0)
    """Between two outages of a store (seconds)."""
    streams: int = 2
    settles: int = 2
    workers: int = 3
    slots: int = 2
    """Batches a worker takes at once."""
    batch_cap: int = 4
    """Jobs in a batch at most."""
    window: int = 10_000
    """Jobs of one tier that a scheduler holds; with more of them some go to overflow and come back."""
    run_s: float = 0.2
    """Median time of a batch in the engine (seconds)."""
    session_s: float = 6.0
    """How long a silent process keeps its partitions (seconds)."""
    life_s: tuple[float, float] = (4.0, 30.0)
    """Between a process being ready and the blow that hits it (seconds)."""
    strikes: tuple[str, ...] = ("streams", "settle", "gpu")
    """Kinds of process that are struck."""
    least_blows: int = 0
    """So many are dealt at least, however long after the last job that is."""
    patience_s: float = 120.0
    """After the last blow: without a new result for so long, what is missing is taken as lost (seconds)."""
    bug: str = ""
    """A planted bug of `loadtest.storm.bugs`, to see the oracle find it."""

    @property
    def in_flight(self) -> int:
        """Jobs that one worker may have in hand."""
        return self.slots * self.batch_cap
