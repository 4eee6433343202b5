"""Makes the topics that the system needs; those that are there already are left as they are."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from contracts.brokers import Brokers, Reach
from contracts.topics import Topics, TopicSpec
from darkroom.errors import DarkroomError
from darkroom.place import Place
from darkroom.wire import options, reach

ANSWER_MS = 30_000
"""Creating some thirty partitions on a busy laptop takes seconds."""


async def create_topics(brokers: Reach, topics: Topics) -> None:
    """Create what is missing. Raises `NotReachable`, or `DarkroomError` when Kafka refuses."""
    place = Place(brokers=Brokers(servers=brokers) if isinstance(brokers, str) else brokers, topics=topics)
    admin = AIOKafkaAdminClient(**options(place), request_timeout_ms=ANSWER_MS)
    try:
        await reach(admin.start(), place)
        answer = await reach(admin.create_topics([_new(spec) for spec in topics.specs()]), place)
    finally:
        await admin.close()
    for name, code, *rest in answer.topic_errors:
        _check(name, code, rest)


def _new(spec: TopicSpec) -> NewTopic:
    topic = NewTopic(spec.name, spec.partitions, 1, topic_configs=dict(spec.config))
    topic.replication_factor = -1  # The cluster's default; the constructor would refuse it.
    return topic


def _check(name: str, code: int, rest: list[str | None]) -> None:
    kind = for_code(code)
    if code and kind is not TopicAlreadyExistsError:
        reason = rest[0] if rest and rest[0] else kind.__name__
        raise DarkroomError(f"Kafka would not create the topic {name}: {reason}")
