"""Dramatiq on a Redis-compatible broker: acknowledged after the work (its only way), no results. Runs in its own venv."""

import json
import os
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_BROKER"])
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=0)
def noop(body: str) -> None:
    """The work of a task queue's benchmark: none."""


def drive(count: int, body: str) -> float:
    """Send `count` messages and wait until all are acknowledged; seconds from the first send."""
    started = time.monotonic()
    for _ in range(count):
        noop.send(body)
    while broker.client.llen("dramatiq:default") or broker.client.hlen("dramatiq:default.msgs"):
        time.sleep(0.01)
    return time.monotonic() - started


if __name__ == "__main__":
    print(json.dumps({"seconds": drive(int(sys.argv[1]), sys.argv[2])}))
