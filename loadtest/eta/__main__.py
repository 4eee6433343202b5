"""`python -m loadtest.eta`: how good forecasts are, on every trace of the simulator, and with `--real` on a real system."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from contracts.events import TIERS
from loadtest.eta.judge import Told, score
from loadtest.eta.real import real
from loadtest.eta.simulated import simulated
from loadtest.figures import machine
from loadtest.simulate.traces import TRACES

HEAD = """| | jobs | within | before | after | off by | width | half took, s | longest, s |
|---|---|---|---|---|---|---|---|---|"""


def row(name: str, told: Sequence[Told]) -> str:
    """One line of the table."""
    found = score(told)
    parts = f"{found.held:.1%} | {found.early:.1%} | {found.late:.1%} | {found.off:.2f} × | {found.wide:.1f} ×"
    return f"| {name} | {found.jobs} | {parts} | {found.ends_s[0]:.2f} | {found.ends_s[1]:.1f} |"


def table(runs: Sequence[tuple[str, list[Told]]]) -> Iterator[str]:
    """All of it: by run, and then all runs together, by tier."""
    yield HEAD
    for name, told in runs:
        yield row(name, told)
    everything = [one for _, told in runs for one in told]
    yield row("all", everything)
    for tier in TIERS:
        yield row(f"all {tier}", [one for one in everything if one.tier == tier])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.eta", description=__doc__)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--traces", nargs="*", default=list(TRACES), choices=list(TRACES))
    parser.add_argument("--real", type=float, default=0.0, help="run a real system for so many seconds instead")
    return parser.parse_args()


def main() -> None:
    """Run, and print."""
    args = _arguments()
    if args.real:
        runs = [(f"real, seed {seed}", real(args.real, seed)) for seed in args.seeds]
    else:
        tasks = [(trace, seed) for trace in args.traces for seed in args.seeds]
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            found = list(pool.map(simulated, *zip(*tasks, strict=True)))
        by_trace = {trace: [told for task, told in zip(tasks, found, strict=True) if task[0] == trace] for trace in args.traces}
        runs = [(trace, [one for told in several for one in told]) for trace, several in by_trace.items()]
    print(f"`{' '.join(['python -m loadtest.eta', *sys.argv[1:]])}` on {machine()}\n")
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
