"""The same without a line of Darkroom's code: JSON to `jobs`, JSON from `results`, with any Kafka library.

python examples/bare_kafka.py 127.0.0.1:9092 "a green star on a white background"
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

servers, prompt = sys.argv[1:3]
job: dict[str, Any] = {"id": str(uuid.uuid4()), "tenant": "examples", "task": "text-to-image", "inputs": {"prompt": prompt}}
if len(sys.argv) > 3:
    job["model"] = sys.argv[3]

# Stand at the end of `results` before sending, and read only what is committed: so the answer is seen, and seen once.
reader = Consumer(
    {"bootstrap.servers": servers, "group.id": "none", "isolation.level": "read_committed", "enable.auto.commit": False}
)
partitions = reader.list_topics("results", timeout=10).topics["results"].partitions
ends = {one: reader.get_watermark_offsets(TopicPartition("results", one), timeout=10)[1] for one in partitions}
reader.assign([TopicPartition("results", one, end) for one, end in ends.items()])

sender = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
sender.produce("jobs", key=job["id"], value=json.dumps(job))
sender.flush(10)

while True:
    record = reader.poll(60)
    if record is None:
        sys.exit("no result after 60 s")
    if record.error() is None and record.key() == job["id"].encode():
        break
reader.close()

result = json.loads(record.value())
print(json.dumps(result, indent=2))
sys.exit(0 if result["state"] == "succeeded" else 1)
