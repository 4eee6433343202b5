"""What settings are called in the environment is part of the contract with operators."""

from __future__ import annotations

import pytest

from infra.settings import Cache, Cassandra, Kafka, Settings, read_settings, to_env

ACCESS = {"USER", "PASSWORD", "CA_FILE", "CERT_FILE", "KEY_FILE", "VERIFY_HOST"}
NAMES = {
    "KAFKA": ACCESS
    | {"BOOTSTRAP_SERVERS", "PREFIX", "PARTITIONS", "BATCH_PARTITIONS", "OVERFLOW_PARTITIONS"}
    | {"SESSION_TIMEOUT_S", "MECHANISM", "TLS"},
    "CASSANDRA": ACCESS | {"LOCAL_DC", "REPLICATION", "KEEP_DAYS", "IN_FLIGHT", "TIMEOUT_S"},
    "CACHE": ACCESS | {"URL", "PREFIX"},
}


@pytest.mark.parametrize("group", NAMES)
def test_the_environment_names_the_settings_of_each_server(group: str) -> None:
    ours = f"DARKROOM_{group}_"
    assert {name.removeprefix(ours) for name in to_env(Settings()) if name.startswith(ours)} == NAMES[group]


@pytest.mark.parametrize("group", NAMES)
def test_who_we_are_to_a_server_is_read_and_never_shown(group: str) -> None:
    said = {f"DARKROOM_{group}_{name}": f"/some/{name.lower()}" for name in ACCESS - {"VERIFY_HOST"}}
    read = read_settings({**said, f"DARKROOM_{group}_VERIFY_HOST": "false"})
    access = getattr(read, group.lower())
    assert (access.user, access.password, access.verify_host) == ("/some/user", "/some/password", False)
    assert (access.ca_file, access.cert_file, access.key_file) == ("/some/ca_file", "/some/cert_file", "/some/key_file")
    assert to_env(read).items() >= said.items()
    assert "/some/" not in f"{read!r}{read}{access!r}"


def test_a_name_is_checked_unless_clusters_seldom_have_one() -> None:
    assert (Kafka().verify_host, Cassandra().verify_host, Cache().verify_host) == (True, False, True)
