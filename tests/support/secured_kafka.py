"""A Kafka with a door for each way in: passwords, certificates, both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from contracts.brokers import Brokers
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from infra.local.properties import Door
from tests.support.certificates import client_file, server_files

USER = "darkroom"
PASSWORD = "open sesame; 5"  # noqa: S105 - nothing else is behind it
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'


@dataclass(frozen=True, kw_only=True)
class SecuredKafka:
    """The broker, and by the name of each door what lets a client in."""

    broker: LocalKafka
    ways: dict[str, Brokers]
    ca_file: str
    stranger: str
    """A certificate that an authority unknown to the broker has signed."""


@contextmanager
def secured(folder: Path) -> Iterator[SecuredKafka]:
    """Start one; its plain listener is for the test's own needs."""
    ca, files = trustme.CA(), folder / "files"
    key_file, ca_file = server_files(files, ca)
    client, stranger = client_file(files, ca), client_file(files, trustme.CA(), "stranger")
    doors = _doors(key_file, ca_file)
    with LocalKafka(folder / "kafka", doors=doors) as broker:
        _let_in(broker.bootstrap)
        address = {door.name: f"127.0.0.1:{door.port}" for door in doors}
        by_name: dict[str, Any] = {"user": USER, "password": PASSWORD}
        ways = {
            "plain": Brokers(servers=address["PLAIN"], mechanism="PLAIN", **by_name),
            "scram": Brokers(servers=address["SCRAM"], **by_name),
            "certificate": Brokers(servers=address["CERT"], ca_file=str(ca_file), cert_file=str(client)),
            "scram over TLS": Brokers(servers=address["BOTH"], ca_file=str(ca_file), **by_name),
        }
        yield SecuredKafka(broker=broker, ways=ways, ca_file=str(ca_file), stranger=str(stranger))


def _doors(key_file: Path, ca_file: Path) -> tuple[Door, ...]:
    ports = free_ports(4)
    store = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(key_file)}
    trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(ca_file), "ssl.client.auth": "required"}
    plain = {"sasl.enabled.mechanisms": "PLAIN", "plain.sasl.jaas.config": _PLAIN}
    scram = {"sasl.enabled.mechanisms": "SCRAM-SHA-512", "scram-sha-512.sasl.jaas.config": _SCRAM}
    return (
        Door(name="PLAIN", port=ports[0], protocol="SASL_PLAINTEXT", settings=tuple(plain.items())),
        Door(name="SCRAM", port=ports[1], protocol="SASL_PLAINTEXT", settings=tuple(scram.items())),
        Door(name="CERT", port=ports[2], protocol="SSL", settings=tuple({**store, **trust}.items())),
        Door(name="BOTH", port=ports[3], protocol="SASL_SSL", settings=tuple({**store, **scram}.items())),
    )


def _let_in(bootstrap: str) -> None:
    """SCRAM's users are records of Kafka itself."""
    secret = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    asked = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(USER, secret, PASSWORD.encode())])
    asked[USER].result(30)
