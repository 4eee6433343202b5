"""Fixtures for every test: a real Kafka, and names that no other test uses."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

from infra.local.kafka import LocalKafka
from tests.support.skips import missing_is_failed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from infra.local.s3 import LocalS3
    from tests.support.cassandras import TestCassandra
    from tests.support.redises import TestRedis


DEAR = ("cassandra", "s3")
"""Servers that take long to start: the tests that share one run where it is."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests together when several processes share them, and those of a dear server as well."""
    for item in items:
        dear = [name for name in DEAR if name in getattr(item, "fixturenames", ())]
        item.add_marker(pytest.mark.xdist_group(dear[0] if dear else str(item.path)))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """One broker for the whole run, started by the first test that asks. Leave it running; see `own_kafka`."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def bootstrap(kafka: LocalKafka) -> str:
    """Return the shared broker's address."""
    return kafka.bootstrap


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """Return a running broker for this test alone, which may stop it, kill it and start it again."""
    with LocalKafka(tmp_path / "own-kafka") as broker:
        yield broker


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCassandra]:
    """One Cassandra with one keyspace for the whole run. Who stops it starts it again."""
    pytest.importorskip("cassandra", reason="needs the extra: cassandra")
    from tests.support.cassandras import started

    with started(tmp_path_factory.mktemp("cassandra")) as one:
        yield one


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestRedis]:
    """One Redis-compatible server for the whole run. Leave it running."""
    from tests.support.redises import started

    with started(tmp_path_factory.mktemp("redis")) as one:
        yield one


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """One S3 server for the whole run; see `bucket`."""
    pytest.importorskip("boto3", reason="needs the extra: s3")
    from tests.support.s3 import started

    with started(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket for this test alone and return its name; the server's credentials are in the environment."""
    from tests.support.s3 import make_bucket, use

    use(s3, monkeypatch)
    return make_bucket(s3)


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Return a name that no other test uses, for topics, groups and transactional ids."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply the rule about skips to tests."""
    return missing_is_failed((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply it to modules that skip themselves."""
    return missing_is_failed((yield))
