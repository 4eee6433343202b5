"""A sampler as a table of numbers: one row a step, computed once for each job, with no tensor library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]

COLUMNS = ("scale", "p", "q", "a", "b", "c", "d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What a linear sampler does to latents x, for n steps.

    Step k runs the model on ``scale[k]``·x at ``timestep[k]``, makes m₀ = ``p[k]``·x + ``q[k]``·output of it,
    and sets x ← ``a[k]``·x + ``b[k]``·m₀ + ``c[k]``·m₁ + ``d[k]``·noise, where m₁ is the m₀ of the step before.
    All columns have shape (n,).
    """

    timestep: Column
    """In the model's own units: 0 … number of training timesteps."""
    scale: Column
    p: Column
    q: Column
    a: Column
    b: Column
    c: Column
    """0 in the first row, which has no step before it."""
    d: Column
    """0 throughout for deterministic samplers: then no noise is drawn."""
    keep: float
    """x starts as keep·clean + add·noise; keep is 0 when nothing but noise is there."""
    add: float

    def __len__(self) -> int:
        """Steps."""
        return len(self.timestep)

    def row(self, step: int) -> tuple[float, ...]:
        """The columns scale, p, q, a, b, c, d of one step."""
        return tuple(float(getattr(self, name)[step]) for name in COLUMNS)


def assemble(rows: Sequence[dict[str, float]], *, keep: float, add: float) -> Table:
    """A table from rows in which neutral coefficients were left out."""
    neutral = {"scale": 1.0, "p": 0.0, "q": 1.0, "c": 0.0, "d": 0.0}
    names = [field.name for field in fields(Table) if field.name not in ("keep", "add")]
    full = [neutral | row for row in rows]
    columns = {name: np.array([row[name] for row in full], dtype=np.float64) for name in names}
    return Table(**columns, keep=float(keep), add=float(add))
