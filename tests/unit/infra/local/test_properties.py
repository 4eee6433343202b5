from __future__ import annotations

from pathlib import Path

from infra.local.properties import Node, render


def settings(nodes: int) -> dict[str, str]:
    voters = tuple((node, 30_000 + node) for node in range(1, nodes + 1))
    text = render(Node(node_id=1, port=29_001, controller_port=30_001, voters=voters), Path("/data/records"))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_one_node_keeps_one_copy() -> None:
    alone = settings(1)
    assert alone["offsets.topic.replication.factor"] == "1"
    assert alone["transaction.state.log.min.isr"] == "1"
    assert alone["controller.quorum.voters"] == "1@127.0.0.1:30001"


def test_three_nodes_keep_three_copies_and_need_two() -> None:
    three = settings(3)
    assert three["transaction.state.log.replication.factor"] == "3"
    assert three["min.insync.replicas"] == "2"
    assert three["controller.quorum.voters"].count("@") == 3


def test_nothing_listens_beyond_loopback() -> None:
    listeners = settings(1)["listeners"].split(",")
    assert [listener.split("//")[1].rsplit(":", 1)[0] for listener in listeners] == ["127.0.0.1", "127.0.0.1"]
