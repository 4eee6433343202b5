"""`python -m loadtest.bench`: Darkroom, Celery, Dramatiq and a bare pass-through in turn, on this machine, in one run."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from loadtest.bench.jobs import sample_body
from loadtest.bench.passthrough import PARTITIONS, measure_passthrough
from loadtest.bench.queues import jobs_per_second
from loadtest.bench.report import Report, file_system, page, percentiles, write_report
from loadtest.bench.system import Throughput, measure_latency, measure_throughput, running
from loadtest.figures import machine

WARM = 10_000
"""Jobs before anything is measured: a broker that has just started interprets most of its code, and compiles the rest."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the sides in turn (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="length of the open-loop run (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder of the report (default %(default)s)")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def _bench(args: argparse.Namespace, up: Mapping[str, Any]) -> Report:
    rounds: list[Throughput] = []
    speed: dict[str, list[float]] = {"darkroom": [], "celery": [], "dramatiq": [], "pass-through": []}
    await measure_throughput(up, "warm", WARM)
    await _make_topics(up["bootstrap_servers"], ["bench.in", "bench.out"])
    for number in range(args.rounds):
        rounds.append(await measure_throughput(up, f"r{number}-{uuid4().hex[:6]}", args.jobs))
        speed["darkroom"].append(rounds[-1].jobs_per_s)
        for rival in ("celery", "dramatiq"):
            speed[rival].append(await asyncio.to_thread(jobs_per_second, rival, args.jobs, sample_body()))
        copied = await measure_passthrough(up["bootstrap_servers"], "bench.in", "bench.out", f"p{number}", args.jobs)
        speed["pass-through"].append(copied)
        _say(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:,.0f}" for name, values in speed.items()) + " jobs/s")
    rate = median(speed["darkroom"]) / 2
    waits = await measure_latency(up, f"open-{uuid4().hex[:6]}", rate, args.seconds)
    return Report(
        command=f"python -m loadtest.bench --jobs {args.jobs} --rounds {args.rounds} --seconds {args.seconds:g}",
        machine=f"{machine()}, data on {file_system(Path(tempfile.gettempdir()))}",
        jobs=args.jobs,
        throughput=speed,
        cpu_us={name: median(one.cpu_us[name] for one in rounds) for name in rounds[0].cpu_us},
        records_per_job={t: median(one.records_per_job[t] for one in rounds) for t in rounds[0].records_per_job},
        latency_rate=rate,
        latency_ms={what: percentiles(values) for what, values in waits.items()},
    )


async def _make_topics(bootstrap: str, names: list[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    finally:
        await admin.close()


def main() -> None:
    """Run all of it and write the report."""
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, running(Path(folder) / "data") as up:
        report = asyncio.run(_bench(args, up))
    write_report(report, args.out)
    sys.stdout.write(page(report))


if __name__ == "__main__":
    main()
