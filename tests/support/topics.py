"""Making topics for a test."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create_topics(
    bootstrap: str, partitions: dict[str, int], settings: dict[str, str] | None = None, *, replicas: int = 1
) -> None:
    """Create topics, each with its number of partitions and the same settings; fails if one exists."""
    topics = [NewTopic(name, count, replicas, topic_configs=settings or {}) for name, count in partitions.items()]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(topics)
    finally:
        await admin.close()
    refused = [error for error in answer.topic_errors if error[1]]
    if refused:
        message = f"topics not created: {refused}"
        raise AssertionError(message)
