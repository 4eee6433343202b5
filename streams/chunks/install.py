"""Put chunks into a faust.App."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from streams.chunks.ledger import WINDOW
from streams.chunks.transport import new_transport
from streams.chunks.versions import check_versions
from streams.chunks.watch import Watch, exit_process
from streams.chunks.watchdog import STALL_AFTER_S

#: Records a chunk holds at most. Beyond 500 the cost per record hardly falls, and a chunk is what is redone as a whole.
CHUNK_MAX = 500
#: How long the broker may wait with an empty fetch answer. A record that arrives ends the wait at once; it delays only records of
#: partitions that were not part of the fetch under way: one cancel in ten took 0.1 s longer with 100. Lower costs CPU when idle.
FETCH_MAX_WAIT_MS = 30


def install_chunks(  # noqa: PLR0913 (each is a limit of its own, named at the call)
    app: Any,
    topics: Collection[str],
    *,
    chunk_max: int = CHUNK_MAX,
    fetch_max_wait_ms: int = FETCH_MAX_WAIT_MS,
    window: int = WINDOW,
    stuck_after: Mapping[str, float | None] | None = None,
    stall_after: float = STALL_AFTER_S,
    watch_every: float = 5.0,
    on_stuck: Callable[[str], None] = exit_process,
) -> None:
    """Deliver ``topics`` of this faust.App as chunks, and keep its acknowledgements in our ledger.

    Call it before anything that touches ``app.topics`` or starts the app. Agents must iterate ``stream.noack().events()`` and
    acknowledge each event themselves, in the app's event loop.

    chunk_max: records in a chunk at most. window: records delivered past the first unfinished one of a partition before that
    partition waits. stuck_after: seconds by topic until a chunk that is not acknowledged counts as stuck, None for never, 300
    where nothing is said. stall_after: seconds without any progress though there is work. on_stuck: called with the reason;
    the default logs it and ends the process with status 70. Raises UntestedVersion.
    """
    check_versions()
    watch = Watch(stuck_after=dict(stuck_after or {}), on_stuck=on_stuck, stall_after=stall_after, every=watch_every)
    app.transport = new_transport(app).configure(
        topics=topics, chunk_max=chunk_max, window=window, fetch_max_wait_ms=fetch_max_wait_ms, watch=watch
    )
