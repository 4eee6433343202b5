"""What Kafka says to those who come with the right and with the wrong words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.brokers import Brokers, TurnedAway, knock
from contracts.publish import Publisher
from contracts.records import Record
from darkroom import AsyncClient, NotReachable
from tests.support.secured_kafka import PASSWORD, SecuredKafka
from tests.support.topics import create_topics

pytestmark = pytest.mark.integration

WRONG_WORD = "sesame, close"
WAYS = ("plain", "scram", "certificate", "scram over TLS")

Change = Callable[[SecuredKafka], Brokers]


def by_name(brokers: Brokers) -> str:
    return brokers.servers.replace("127.0.0.1", "localhost")


WRONG: dict[str, tuple[Change, str]] = {
    "a wrong password": (lambda at: replace(at.ways["scram"], password=WRONG_WORD), "kafka.password"),
    "a wrong user": (lambda at: replace(at.ways["scram"], user="x"), "kafka.user"),
    "a wrong password, sent as it is": (lambda at: replace(at.ways["plain"], password=WRONG_WORD), "kafka.password"),
    "a wrong password over TLS": (lambda at: replace(at.ways["scram over TLS"], password=WRONG_WORD), "kafka.password"),
    "another mechanism": (lambda at: replace(at.ways["scram"], mechanism="PLAIN"), "kafka.mechanism"),
    "no user": (lambda at: Brokers(servers=at.ways["scram"].servers), "kafka.user"),
    "a user where there are none": (lambda at: replace(at.ways["scram"], servers=at.broker.bootstrap), "kafka.user"),
    "no certificate": (lambda at: replace(at.ways["certificate"], cert_file=""), "kafka.cert_file"),
    "a stranger's certificate": (lambda at: replace(at.ways["certificate"], cert_file=at.stranger), "kafka.cert_file"),
    "no trust in the broker": (lambda at: replace(at.ways["scram over TLS"], ca_file="", tls=True), "kafka.ca_file"),
    "another name for the broker": (
        lambda at: replace(
            at.ways["scram over TLS"], servers=at.ways["scram over TLS"].servers.replace("127.0.0.1", "localhost")
        ),
        "kafka.verify_host",
    ),
    "no TLS": (lambda at: replace(at.ways["scram over TLS"], ca_file=""), "kafka.tls"),
    "a certificate that is not there": (lambda at: replace(at.ways["certificate"], cert_file="/no/file"), "kafka.cert_file"),
    "a certificate that is none": (lambda at: replace(at.ways["certificate"], cert_file=__file__), "kafka.cert_file"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_says_the_right_words_is_let_in_and_may_write(locked: SecuredKafka, way: str, topic_prefix: str) -> None:
    await create_topics(locked.broker.bootstrap, {topic_prefix: 1})
    brokers = locked.ways[way]
    await knock(brokers)
    async with Publisher(brokers) as publisher:
        await publisher.publish([Record(topic=topic_prefix, key=b"a", value=b"b", headers=[])])


@pytest.mark.parametrize("wrong", WRONG)
async def test_whoever_does_not_is_told_which_setting_is_wrong(locked: SecuredKafka, wrong: str) -> None:
    change, named = WRONG[wrong]
    with pytest.raises(TurnedAway, match=named) as told:
        await knock(change(locked))
    assert PASSWORD not in str(told.value)
    assert "\n" not in str(told.value)


async def test_a_broker_that_is_away_is_no_refusal() -> None:
    await knock(Brokers(servers="127.0.0.1:1", user="a", password=WRONG_WORD))


async def test_a_client_with_a_wrong_password_is_told_so(locked: SecuredKafka, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(NotReachable, match=r"does not let us in\. kafka\.user, kafka\.password: one of them is wrong"):
        await AsyncClient(replace(locked.ways["scram"], password=WRONG_WORD)).start()
    assert WRONG_WORD not in caplog.text


def test_a_password_is_not_shown_with_the_rest() -> None:
    assert WRONG_WORD not in repr(Brokers(servers="a:1", user="me", password=WRONG_WORD))
