"""What it gains that batches are formed for the memory there is: `python -m loadtest.simulate.memory`.

Workers of two sizes get the same jobs twice: once they say how much memory they have and what runs take, once they only run out.
"""

from __future__ import annotations

import argparse

from msgspec.structs import replace

from loadtest.simulate.fleet import asked, base
from loadtest.simulate.measures import measure
from loadtest.simulate.simulation import Run, Simulation, catalog_of
from loadtest.simulate.trace import Scenario
from loadtest.simulate.traces import SIDES, Draw
from streams.policy.batching import Scheduler
from streams.policy.cost_model import CostModel
from streams.policy.fill import CatalogCaps

GIB = 1 << 30
SMALL, LARGE = 24 * GIB, 80 * GIB
PICTURES = ((1, 0.7), (2, 0.2), (4, 0.1))


def two_sizes(seed: int, *, jobs_per_s: float = 9.0, until_s: float = 600.0) -> Scenario:
    """Four workers of 24 GiB and two of 80. A picture of 512² takes 2 GiB beside 12 GiB of weights, one of 1024² 8 GiB."""
    draw = Draw("memory", seed)
    model = replace(base(), weights=12 * GIB, batch_bytes=GIB, row_bytes=GIB)
    times = draw.times(lambda _: jobs_per_s, jobs_per_s, until_s)
    items = [draw.item(at, model, asked(model, side=draw.pick(SIDES), count=draw.pick(PICTURES))) for at in times]
    memory = (SMALL,) * 4 + (LARGE,) * 2
    return Scenario(
        name="memory", about="workers of 24 and 80 GiB", items=items, models=(model,), workers=6, seed=seed, memory=memory
    )


def play(scenario: Scenario, *, known: bool) -> Run:
    """`known`: whether workers tell of their memory."""
    catalog = catalog_of(scenario)
    caps, costs = CatalogCaps(catalog), CostModel(catalog)
    policy = Scheduler(caps, batch_wait_s=0.005, costs=costs)
    return Simulation(scenario, policy, caps, costs, name="known" if known else "unknown", tells_memory=known).run()


def main() -> None:
    """Print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=3)
    print("seed | memory  | out of memory | jobs lost | in their goals | jobs/s | busy")
    for seed in range(1, options.parse_args().seeds + 1):
        scenario = two_sizes(seed)
        for known in (False, True):
            run = play(scenario, known=known)
            found, lost = measure(run), sum(fate.done_at is None for fate in run.fates)
            line = f"{seed:4} | {run.policy:7} | {run.ooms:13} | {lost:9} | {found.attainment:14.1%}"
            print(f"{line} | {found.jobs_per_s:6.2f} | {found.busy:.0%}", flush=True)


if __name__ == "__main__":
    main()
