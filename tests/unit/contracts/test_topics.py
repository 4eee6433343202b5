"""Topic names are the contract; a prefix moves all of them."""

from __future__ import annotations

from contracts.topics import Topics


def test_public_names_are_those_of_the_contract() -> None:
    names = {spec.name for spec in Topics().specs()}
    assert {"jobs", "control", "status", "results", "jobs.dead", "queue.default.paid", "batches.default"} <= names


def test_prefix_moves_every_topic_and_group() -> None:
    topics = Topics(prefix="x.", pools=("a", "b"))
    assert all(spec.name.startswith("x.") for spec in topics.specs())
    assert topics.group("streams").startswith("x.")


def test_each_tier_of_a_pool_has_one_partition_so_that_one_scheduler_sees_all() -> None:
    assert {spec.partitions for spec in Topics().specs() if ".queue." in f".{spec.name}"} == {1}
