"""What the verbs print: one JSON document or line a thing, or plain words."""

from __future__ import annotations

import sys
import time

import msgspec

from contracts.events import Result, Status


def json(thing: object) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(msgspec.json.encode(thing).decode() + "\n")
    sys.stdout.flush()


def line(text: str = "") -> None:
    """One line on stdout, at once: it may be read by a program that waits for it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """One line on stderr: news that is not the answer."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def clock(at: float) -> str:
    """A point of time as people read it."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def span(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def between(low_s: float, high_s: float) -> str:
    """From when to when."""
    return f"{span(low_s)} to {span(high_s)}"


def wait(position: int, eta_s: float, low_s: float, high_s: float) -> str:
    """Where a job stands in line."""
    return f"{position} in front, done in about {span(eta_s)} ({between(low_s, high_s)})"


def status_line(status: Status) -> str:
    """A state as one line."""
    progress = f" {status.step}/{status.steps}" if status.step is not None else ""
    again = " (again)" if status.repeated else ""
    why = f": {status.error.message}" if status.error else ""
    queue = status.queue
    where = f": {wait(queue.position, queue.eta_s, queue.eta_low_s, queue.eta_high_s)}" if queue else ""
    return f"{clock(status.at)}  {status.state}{progress}{again}{where}{why}"


def result_line(result: Result) -> str:
    """A result as one line."""
    if result.state != "succeeded":
        return f"{result.state}: {result.error.message} ({result.error.code})" if result.error else result.state
    took = f" in {result.timings.total_s:.1f} s" if result.timings else ""
    count = len(result.outputs)
    return f"succeeded{took}: {count} file{'s' * (count != 1)}"
