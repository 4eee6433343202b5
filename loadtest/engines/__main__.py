"""Pictures a second at several batch sizes: `python -m loadtest.engines`."""

from __future__ import annotations

import argparse
import time

from loadtest.engines.contenders import Work, contenders
from loadtest.engines.measure import lines, measure


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.engines", description=__doc__)
    parser.add_argument("--model", default="", help="a pipeline folder with ONNX graphs; the built-in model if left out")
    parser.add_argument("--size", type=int, default=128, help="pixels, each side")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="processor threads of each contender; 0: its own choice")
    parser.add_argument("--cpu", action="store_true", help="count processor seconds: for --threads 1 on a busy machine")
    asked = parser.parse_args()
    clock = time.process_time if asked.cpu else time.perf_counter
    work = Work(model=asked.model, size=asked.size, steps=asked.steps, guidance=asked.guidance, threads=asked.threads)
    for line in lines(measure(contenders(work), asked.batches, asked.rounds, clock)):
        print(line)


if __name__ == "__main__":
    main()
