"""A whole system on Cassandra: the store dies amid the work and comes back."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

pytest.importorskip("cassandra", reason="needs the extra: cassandra")

from contracts.events import Result
from darkroom import Client, Inputs, Job, new_id
from infra.jobstore.cassandra_admin import session_of
from infra.jobstore.cassandra_place import place_of
from tests.integration.darkroom.conftest import Up, command
from tests.support.cassandras import TestCassandra
from tests.support.ledger import once_each

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SECRET = f"canary-{uuid.uuid4().hex}"


@pytest.fixture
def env(cassandra: TestCassandra, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """Settings of a system that may use its keyspace and nothing else."""
    user = f"darkroom_{uuid.uuid4().hex}"
    with session_of(place_of(cassandra.url), cassandra.settings) as session:
        session.execute(f"CREATE ROLE {user} WITH PASSWORD = '{SECRET}' AND LOGIN = true")
        session.execute(f"GRANT SELECT ON KEYSPACE {cassandra.keyspace} TO {user}")
        session.execute(f"GRANT MODIFY ON KEYSPACE {cassandra.keyspace} TO {user}")
    return {
        "DARKROOM_STORE_JOBS": cassandra.url,
        "DARKROOM_STORE_OBJECTS": (tmp_path / "objects").as_uri(),
        "DARKROOM_CASSANDRA_USER": user,
        "DARKROOM_CASSANDRA_PASSWORD": SECRET,
        "DARKROOM_KAFKA_PREFIX": f"{topic_prefix}.",
    }


@pytest.fixture
def up(bootstrap: str, env: dict[str, str], tmp_path: Path) -> Iterator[Up]:
    system = Up(tmp_path / "data", "--kafka", bootstrap, env=env)
    try:
        yield system.wait_ready()
    finally:
        system.kill()


def until(condition: Callable[[], Any], within: float = 120.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.05)


def jobs(tenant: str, count: int) -> list[Job]:
    inputs = Inputs(prompt="a red circle", width=64, height=64, steps=2)
    return [Job(id=new_id(), tenant=tenant, task="text-to-image", model="noop", inputs=inputs) for _ in range(count)]


def test_a_store_that_dies_amid_the_work_loses_nothing_and_every_job_ends_once(
    up: Up, cassandra: TestCassandra, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = uuid.uuid4().hex
    first, second = jobs(tenant, 40), jobs(tenant, 20)
    with Client(data=up.data, tenant=tenant) as client:
        handles = client.submit_many(first)
        handles[3].result(120)
        cassandra.node.kill9()
        try:
            handles += client.submit_many(second)
            until(lambda: "the job store is unavailable" in (up.data / "logs" / "streams.log").read_text())
        finally:
            cassandra.node.start()
        assert {handle.result(240).state for handle in handles} == {"succeeded"}
        again = client.submit_many(first)  # known to the store still: nothing runs twice
        assert {handle.result(120).state for handle in again} == {"succeeded"}

    ids = [one.id for one in [*first, *second]]
    told = [msgspec.json.decode(value, type=Result).id for value in _results(up.servers, up.note["topics"]["results"])]
    assert not once_each(ids, told)

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    listed = command("jobs", "--tenant", tenant, "--state", "succeeded", "--limit", "1000", "--json", "--data", str(up.data))
    rows = [msgspec.json.decode(line) for line in listed.stdout.splitlines()]
    assert Counter(row["id"] for row in rows) == Counter(ids)
    assert rows == sorted(rows, key=lambda row: (row["submitted_at"], row["id"]), reverse=True)

    counted = command("status", "--json", "--data", str(up.data))
    assert counted.returncode == 0, counted.stderr
    assert msgspec.json.decode(counted.stdout)["jobs"]["succeeded"] >= len(ids)

    assert up.stop() == 0, up.text
    written = [file for file in [up.output, *up.data.rglob("*.log"), *up.data.rglob("*.json")] if file.is_file()]
    assert len(written) > 3
    assert not [file for file in written if SECRET in file.read_text(errors="replace")]


def _results(servers: str, topic: str) -> list[bytes]:
    """All records there are, as a reader of finished transactions sees them."""
    isolated = {"isolation.level": "read_committed", "enable.auto.commit": False, "enable.partition.eof": True}
    reader = Consumer({"bootstrap.servers": servers, "group.id": "all-results", **isolated})
    values, ended = list[bytes](), set[int]()
    try:
        partitions = reader.list_topics(topic, 10).topics[topic].partitions
        reader.assign([TopicPartition(topic, one, 0) for one in partitions])
        while len(ended) < len(partitions):
            record = reader.poll(30)
            assert record is not None, "no end of the topic"
            if (error := record.error()) is None:
                values.append(record.value() or b"")
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ended.add(record.partition() or 0)
    finally:
        reader.close()
    return values
