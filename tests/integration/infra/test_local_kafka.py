"""The local Kafka, as those who run it meet it: restarts, crashes, orphans, and clear refusals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.local.cluster import LocalCluster
from infra.local.errors import DataDirInUseError, DidNotStart, NoDiskSpaceError, PortInUseError
from infra.local.kafka import LocalKafka
from tests.support.eventually import eventually
from tests.support.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[3]


async def write(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def written(bootstrap: str, topic: str, value: bytes) -> bool:
    """Try once; a partition has no leader for some seconds after its broker died."""
    try:
        await write(bootstrap, topic, value)
    except KafkaError:
        return False
    return True


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return [(await consumer.getone()).value for _ in range(count)]


async def cluster_id(bootstrap: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


async def test_a_ready_broker_serves_groups_and_transactions_at_once(bootstrap: str, topic_prefix: str) -> None:
    await create_topics(bootstrap, {topic_prefix: 1})
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic_prefix, max_request_size=4 << 20)
    consumer = AIOKafkaConsumer(
        topic_prefix,
        bootstrap_servers=bootstrap,
        group_id=topic_prefix,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    async with producer, consumer:
        async with producer.transaction():
            await producer.send_and_wait(topic_prefix, b"x" * (2 << 20))
        assert len((await consumer.getone()).value) == 2 << 20


async def test_records_identity_and_address_survive_an_orderly_stop_and_a_crash(own_kafka: LocalKafka) -> None:
    address, identity = own_kafka.bootstrap, await cluster_id(own_kafka.bootstrap)
    await create_topics(address, {"kept": 1})
    await write(address, "kept", b"1")
    own_kafka.stop()
    own_kafka.start()
    await write(address, "kept", b"2")
    own_kafka.kill9()
    assert not own_kafka.running
    own_kafka.start()
    assert own_kafka.bootstrap == address
    assert await read(address, "kept", 2) == [b"1", b"2"]
    assert await cluster_id(address) == identity


async def test_another_object_on_the_folder_finds_the_records_on_another_port(tmp_path: Path) -> None:
    async with LocalKafka(tmp_path) as first:
        await create_topics(first.bootstrap, {"kept": 1})
        await write(first.bootstrap, "kept", b"1")
    async with LocalKafka(tmp_path) as second:
        assert second.bootstrap != first.bootstrap
        assert await read(second.bootstrap, "kept", 1) == [b"1"]


def test_a_second_start_on_a_folder_in_use_is_refused(kafka: LocalKafka) -> None:
    with pytest.raises(DataDirInUseError, match=f"in use by process {os.getpid()}"):
        LocalKafka(kafka.log.parent).start()
    assert kafka.running


def test_a_port_in_use_is_named(tmp_path: Path, kafka: LocalKafka) -> None:
    with pytest.raises(PortInUseError, match=f"Port {kafka.port} is in use"):
        LocalKafka(tmp_path, kafka.port).start()


def test_a_full_disk_is_said_before_kafka_fails_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=5 << 20))
    with pytest.raises(NoDiskSpaceError, match="Only 5 MiB free"):
        LocalKafka(tmp_path).start()


def test_a_broker_that_ends_early_shows_the_end_of_its_log_and_frees_the_folder(tmp_path: Path) -> None:
    broken = LocalKafka(tmp_path, jvm_options=("-Xmx1k",))
    with pytest.raises(DidNotStart, match="Initial heap size"):
        broken.start()
    with LocalKafka(tmp_path) as sound:
        assert sound.running


def test_a_port_lost_between_choice_and_use_is_exchanged_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        stolen = thief.getsockname()[1]
        choices = iter([(stolen, stolen + 1)])
        choose = LocalKafka._new_node.__globals__["free_ports"]
        monkeypatch.setattr("infra.local.server.is_free", lambda _port: True)
        monkeypatch.setattr("infra.local.kafka.free_ports", lambda count: next(choices, None) or choose(count))
        with LocalKafka(tmp_path) as broker:
            assert broker.port != stolen


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a broker on `tmp_path/data`, as a developer would from a shell."""
    argv = [sys.executable, "-m", "infra.local.kafka", "--data", str(tmp_path / "data")]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("127.0.0.1:")
        yield process
        process.kill()


def broker_of(owner: subprocess.Popen[str]) -> psutil.Process:
    (child,) = psutil.Process(owner.pid).children()
    return child


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_command_stops_its_broker_on_sigterm(owner: subprocess.Popen[str]) -> None:
    broker = broker_of(owner)
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(30) == 0
    assert ended(broker)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: death signals")
async def test_a_broker_ends_with_an_owner_that_was_killed(owner: subprocess.Popen[str]) -> None:
    broker = broker_of(owner)
    owner.kill()
    await eventually(lambda: ended(broker), what="the broker's end")


def test_an_orphan_that_did_not_end_is_ended_by_the_next_start(
    owner: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = broker_of(owner)
    broker.suspend()  # hung: no signal but SIGKILL reaches it
    owner.kill()
    owner.wait()
    monkeypatch.setattr("infra.local.claim.PATIENCE_S", 1.0)
    with LocalKafka(tmp_path / "data") as successor:
        assert successor.running
    assert ended(broker)


def test_a_format_cut_short_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "records.part").mkdir()
    (tmp_path / "records.part" / "meta.properties").write_text("version=1\n")
    with LocalKafka(tmp_path) as broker:
        assert broker.running
    assert not (tmp_path / "records.part").exists()


async def test_a_cluster_of_three_serves_on_when_one_is_killed(tmp_path: Path) -> None:
    with LocalCluster(tmp_path) as cluster:
        await create_topics(cluster.bootstrap, {"kept": 3}, replicas=3)
        await write(cluster.bootstrap, "kept", b"before")
        cluster.brokers[0].kill9()
        await eventually(lambda: written(cluster.bootstrap, "kept", b"after"), within=90)
        assert sorted(await read(cluster.bootstrap, "kept", 2)) == [b"after", b"before"]
