"""How large a batch may be on a device that ran out of memory. It recovers with time, and nobody has to remember anything.

A worker says in each report what did not fit and how long ago that was, so a new scheduler knows it within a second. A
worker that starts anew learns it again, at the price of one step that is run in halves.
"""

from __future__ import annotations

from contracts.work import Squeezed

RECOVER_S = 600.0
"""Until a batch of the size that did not fit is tried again. A try that fails costs a step, not a run."""


def allowance(squeezed: Squeezed, since_s: float) -> float:
    """The limit of a batch: half of what did not fit, more as time passes. `since_s`: age of the report."""
    age = max(0.0, squeezed.ago_s + since_s)
    return squeezed.weight / 2 * (1 + age / RECOVER_S)
