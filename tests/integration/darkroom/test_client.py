"""The client against a real Kafka, with the test in the role of the system: every order of events at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.codec import encode
from contracts.events import Result, Status
from contracts.topics import Topics
from darkroom import AsyncClient, NotReachable, Timeout, history, new_id
from darkroom.place import Place
from darkroom.system.topics import create_topics
from darkroom.wire import consumer
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


class System:
    """Says of jobs what the test wants said."""

    def __init__(self, bootstrap: str, topics: Topics) -> None:
        self._topics = topics
        name = f"{topics.prefix}system"
        self.producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name, enable_idempotence=True)

    async def says(self, id: str, *states: Any, **more: Any) -> None:
        for state in states:
            event = Status(id=id, tenant="acme", state=state, at=1.0, attempt=0, **more)
            await self.producer.send_and_wait(self._topics.status, encode(event), key=id.encode())

    async def results(self, id: str, state: Any) -> None:
        event = Result(id=id, tenant="acme", state=state)
        await self.producer.send_and_wait(self._topics.results, encode(event), key=id.encode())


@pytest.fixture
def topics(topic_prefix: str) -> Topics:
    return Topics(prefix=f"{topic_prefix}.", partitions=2, batch_partitions=1)


@pytest.fixture
async def system(bootstrap: str, topics: Topics) -> AsyncIterator[System]:
    await create_topics(bootstrap, topics)
    system = System(bootstrap, topics)
    await system.producer.start()
    yield system
    await system.producer.stop()


@pytest.fixture
async def client(bootstrap: str, topics: Topics, system: System) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(bootstrap, prefix=topics.prefix, tenant="acme") as client:
        yield client


async def test_what_was_not_committed_is_never_seen(client: AsyncClient, system: System) -> None:
    handle = await client.submit("x")
    async with system.producer.transaction():
        await system.says(handle.id, "accepted")
    await system.producer.begin_transaction()
    await system.results(handle.id, "failed")
    await system.says(handle.id, "failed")
    await system.producer.abort_transaction()
    async with system.producer.transaction():
        await system.says(handle.id, "succeeded")
        await system.results(handle.id, "succeeded")
    assert (await handle.result(20)).state == "succeeded"
    assert [one.state async for one in handle.status()] == ["accepted", "succeeded"]


async def test_the_end_of_a_wait_tells_the_last_state_and_the_job_can_still_be_waited_for(
    client: AsyncClient, system: System
) -> None:
    handle = await client.submit("x")
    async with system.producer.transaction():
        await system.says(handle.id, "accepted", "queued")
    states = handle.status()
    assert [(await anext(states)).state for _ in range(2)] == ["accepted", "queued"]
    with pytest.raises(Timeout, match="queued"):
        await handle.result(0.1)
    async with system.producer.transaction():
        await system.says(handle.id, "succeeded")
        await system.results(handle.id, "succeeded")
    assert (await client.result(handle.id, 20)).state == "succeeded"


async def test_a_job_of_the_past_is_followed_into_the_present(client: AsyncClient, system: System) -> None:
    job_id = new_id()
    async with system.producer.transaction():
        await system.says(job_id, "accepted", "queued")
    states = client.status(job_id)
    assert [(await anext(states)).state for _ in range(2)] == ["accepted", "queued"]
    async with system.producer.transaction():
        await system.says(job_id, "running", "succeeded", "running")
    assert [one.state async for one in states] == ["running", "succeeded"]


@pytest.mark.parametrize("question", ["offsets_for_times", "end_offsets"])
async def test_what_is_said_between_two_questions_to_kafka_is_not_missed(
    client: AsyncClient, system: System, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    job_id, questions = new_id(), list[str]()

    def slow(place: Place, *topics: str) -> AIOKafkaConsumer:
        reader = consumer(place, *topics)
        ask = getattr(reader, question)

        async def asked(*args: Any) -> Any:
            answer = await ask(*args)
            if not questions:
                questions.append(question)
                async with system.producer.transaction():
                    await system.says(job_id, "accepted", "succeeded")
                await eventually(lambda: any(client._board.seen.values()), what="what was said can be read")
            return answer

        monkeypatch.setattr(reader, question, asked)
        return reader

    monkeypatch.setattr(history, "consumer", slow)
    async with asyncio.timeout(20):
        assert [one.state async for one in client.status(job_id)] == ["accepted", "succeeded"]
    assert questions


async def test_a_job_whose_id_tells_no_time_is_found_too(client: AsyncClient, system: System) -> None:
    async with system.producer.transaction():
        await system.says("order-17", "accepted", "succeeded")
        await system.results("order-17", "succeeded")
    assert (await client.result("order-17", 20)).state == "succeeded"


async def test_waiting_for_several_at_once_is_no_matter(client: AsyncClient, system: System) -> None:
    handles = [await client.submit("x") for _ in range(20)]
    waiting = asyncio.gather(*(handle.result(30) for handle in handles), *(handle.result(30) for handle in handles))
    async with system.producer.transaction():
        for handle in handles:
            await system.says(handle.id, "accepted", "succeeded")
            await system.results(handle.id, "succeeded")
    assert len(await waiting) == 40


async def test_a_kafka_without_darkroom_is_told(bootstrap: str, topic_prefix: str) -> None:
    with pytest.raises(NotReachable, match="lacks the topics"):
        async with AsyncClient(bootstrap, prefix=f"{topic_prefix}."):
            pass


async def test_a_client_that_is_not_connected_says_so(bootstrap: str) -> None:
    with pytest.raises(NotReachable, match="async with"):
        await AsyncClient(bootstrap, tenant="acme").submit("x")
