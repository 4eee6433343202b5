"""Orders on their way from the parent to the engine thread."""

from __future__ import annotations

import queue

from gpu_consumers.frames import Drop, Order, Run, Warm


class Inbox:
    """Orders as they come, read by one thread; cancels are seen by the engine thread between steps."""

    def __init__(self) -> None:
        self._runs: queue.SimpleQueue[Run | Warm] = queue.SimpleQueue()
        self._dropped: dict[int, set[int]] = {}
        self._aborted: set[int] = set()

    def put(self, order: Order) -> None:
        """Note an order."""
        if isinstance(order, Run | Warm):
            self._runs.put(order)
        elif isinstance(order, Drop):
            self._dropped.setdefault(order.run, set()).update(order.places)
        else:
            self._aborted.add(order.run)

    def next(self) -> Run | Warm:
        """Wait for the next thing to run."""
        return self._runs.get()

    def aborted(self, run: int) -> bool:
        """Whether this run is to stop."""
        return run in self._aborted

    def dropped(self, run: int) -> set[int]:
        """Places cancelled since this was asked last."""
        return self._dropped.pop(run, set())

    def forget(self, run: int) -> None:
        """The run is over."""
        self._dropped.pop(run, None)
        self._aborted.discard(run)
