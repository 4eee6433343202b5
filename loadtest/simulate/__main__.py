"""`python -m loadtest.simulate`: every policy on every trace."""

from __future__ import annotations

import argparse

from loadtest.simulate.contest import play
from loadtest.simulate.measures import Measures, measure
from loadtest.simulate.policies import POLICIES
from loadtest.simulate.traces import TRACES


def _line(one: Measures) -> str:
    tiers = ", ".join(f"{tier} {of.in_goal:.3f}" for tier, of in one.tiers.items())
    rest = f"{one.jobs_per_s:.1f} jobs/s, busy {one.busy:.2f}, batch {one.batch:.1f}, padding {one.padding:.2f}"
    return f"  {one.policy:9} value {one.value:.3f}  in goal {one.attainment:.3f} ({tiers})  {rest}"


def main() -> None:
    """Print what each does."""
    options = argparse.ArgumentParser(prog="python -m loadtest.simulate", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--traces", nargs="*", default=list(TRACES), choices=list(TRACES))
    options.add_argument("--policies", nargs="*", default=list(POLICIES), choices=list(POLICIES))
    args = options.parse_args()
    for name in args.traces:
        scenario = TRACES[name](args.seed)
        print(f"{name}: {scenario.about}; {len(scenario.items)} jobs, {scenario.workers} workers")
        for policy in args.policies:
            print(_line(measure(play(scenario, policy))), flush=True)


if __name__ == "__main__":
    main()
