"""Celery on a Redis-compatible broker: late acknowledgement, no result backend, no-op tasks. Runs in its own venv."""

import json
import os
import sys
import time

import redis
from celery import Celery

URL = os.environ["BENCH_BROKER"]
app = Celery("celery_side", broker=URL)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="noop")
def noop(body: str) -> None:
    """The work of a task queue's benchmark: none."""


def drive(count: int, body: str) -> float:
    """Send `count` tasks and wait until all are acknowledged; seconds from the first send."""
    client = redis.Redis.from_url(URL)
    started = time.monotonic()
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            noop.apply_async((body,), producer=producer)
    while client.llen("celery") or client.hlen("unacked"):
        time.sleep(0.01)
    return time.monotonic() - started


if __name__ == "__main__":
    print(json.dumps({"seconds": drive(int(sys.argv[1]), sys.argv[2])}))
