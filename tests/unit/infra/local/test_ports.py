from __future__ import annotations

import socket
from pathlib import Path

import pytest

from infra.local.kafka import LocalKafka
from infra.local.ports import RANGE, free_ports, is_free
from infra.local.properties import Door


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not is_free(server.getsockname()[1])


def test_free_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert set(ports) <= set(RANGE)
    assert all(is_free(port) for port in ports)


def test_a_broker_takes_no_port_that_one_of_its_doors_was_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.kafka.free_ports", lambda count: tuple(range(20_000, 20_000 + count)))
    doors = [Door(name=name, port=port, protocol="SSL", settings=()) for name, port in (("A", 20_000), ("B", 20_002))]
    node = LocalKafka(tmp_path, doors=doors)._new_node()
    assert not {node.port, node.controller_port} & {20_000, 20_002}
    assert node.port != node.controller_port
    asked = LocalKafka(tmp_path, 20_001, doors=doors)._new_node()
    assert asked.port == 20_001
    assert asked.controller_port not in {20_000, 20_001, 20_002}
