"""Acknowledge a chunk once all of its records are done, in whatever order they come."""

from typing import Any


class Hold:
    """Counts the records of one event's chunk that are not done yet.

    For agents that hand single jobs on and hear of them later. Call it from the loop that runs the agent.
    """

    __slots__ = ("_event", "remaining")

    def __init__(self, event: Any) -> None:
        self._event = event
        self.remaining = len(event.value)

    def done(self, n: int = 1) -> None:
        """``n`` more records are done; the last one acknowledges the chunk.

        Raises ValueError when more are done than the chunk has: somebody counted one twice, and the chunk may have been
        acknowledged too early.
        """
        if not 0 < n <= self.remaining:
            raise ValueError(f"{n} records done, {self.remaining} remain")
        self.remaining -= n
        if not self.remaining:
            self._event.ack()
            self._event = None
