from __future__ import annotations

import socket

from infra.local.ports import RANGE, free_ports, is_free


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
