"""`python -m loadtest.chunks`: the three sides in turn, then a quiet app. Small enough for a laptop; prints Markdown."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from infra.local.kafka import LocalKafka
from loadtest.chunks.copy import SIDES
from loadtest.chunks.topics import fill, make_topics

SIZE = 600  # bytes, a typical job


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.chunks", description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="length of each quiet measurement")
    parser.add_argument("--fetch-max-wait-ms", type=int, nargs="+", default=[100])
    return parser.parse_args()


def _run(module: str, *args: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", module, *args], stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _copies(bootstrap: str, args: argparse.Namespace) -> None:
    print(f"| {args.records} records of {SIZE} bytes, {args.rounds} rounds | records/s, median (all) | CPU a record, µs |")
    print("|---|---|---|")
    rounds: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(args.rounds):
        source = f"bench-{time.time_ns()}"
        asyncio.run(make_topics(bootstrap, {source: 4, f"{source}-out": 4}))
        asyncio.run(fill(bootstrap, source, args.records, SIZE))
        for side, results in rounds.items():
            results.append(_run("loadtest.chunks.copy", side, bootstrap, source, f"{source}-out", str(args.records)))
    for side, results in rounds.items():
        rates = [args.records / one["seconds"] for one in results]
        cpu = median(one["cpu"] / args.records * 1e6 for one in results)
        print(f"| {side} | {median(rates):,.0f} ({', '.join(f'{rate:,.0f}' for rate in rates)}) | {cpu:.1f} |")


def _quiet(bootstrap: str, args: argparse.Namespace) -> None:
    for wait in args.fetch_max_wait_ms:
        figures: dict[str, Any] = _run("loadtest.chunks.quiet", bootstrap, str(args.seconds), str(wait))
        told = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
        print(f"\nQuiet, 5 topics of 1 partition, fetch_max_wait {wait} ms: {told}")


def main() -> None:
    """Run all of it on a broker of its own."""
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="darkroom-chunks-") as folder, LocalKafka(Path(folder)) as kafka:
        _copies(kafka.bootstrap, args)
        _quiet(kafka.bootstrap, args)


if __name__ == "__main__":
    main()
