"""A Kafka that does not let everybody in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.secured_kafka import SecuredKafka, secured


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """One for the whole run."""
    with secured(tmp_path_factory.mktemp("secured")) as one:
        yield one
