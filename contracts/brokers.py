"""How to reach Kafka and be let in: the one place that turns settings into what aiokafka is given."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import AuthenticationFailedError, IllegalSaslStateError, KafkaError, UnsupportedSaslMechanismError
from aiokafka.errors import SaslAuthenticationFailed as WrongPasswordError
from aiokafka.protocol.admin import SaslHandShakeRequest

from contracts.tls import BadFile, tls_context

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

TLS_ALERT = 0x1503
"""What an answer begins with when we spoke plain text to somebody who speaks TLS: Kafka has its length there."""

REFUSALS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((WrongPasswordError, AuthenticationFailedError), "kafka.user, kafka.password: one of them is wrong"),
    ((UnsupportedSaslMechanismError,), "kafka.mechanism: the broker takes another one"),
    ((IllegalSaslStateError,), "kafka.user: the broker knows no users at this address"),
)

TRIES = 5
"""A broker that refuses a certificate closes at once, and what it said of it may get lost by that."""

KNOCK_MS = 5_000
"""How long one broker may take to let us in before the next one is asked."""


class TurnedAway(Exception):
    """Kafka does not let us in with these settings, whose names the text tells. Trying again is of no use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brokers:
    """Kafka's address, and what it wants to know of us. Nothing but the address: plain text, for who may come as they are."""

    servers: str
    """`host:port`, several with commas."""
    user: str = ""
    """Turns SASL on."""
    password: str = field(default="", repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"
    tls: bool = False
    """With the system's own authorities; `ca_file` or `cert_file` turn TLS on, too."""
    ca_file: str = ""
    """PEM: who signs the brokers' certificates."""
    cert_file: str = ""
    """PEM: our own certificate, where brokers ask for one."""
    key_file: str = ""
    verify_host: bool = True
    """Whether a broker's certificate must name the address we reach it by."""

    @property
    def encrypted(self) -> bool:
        """Whether to speak TLS."""
        return self.tls or bool(self.ca_file or self.cert_file)

    @property
    def protocol(self) -> str:
        """Kafka's name for it."""
        encrypted = self.encrypted
        if self.user:
            return "SASL_SSL" if encrypted else "SASL_PLAINTEXT"
        return "SSL" if encrypted else "PLAINTEXT"

    def context(self) -> ssl.SSLContext | None:
        """TLS as configured, the files read anew. Raises `TurnedAway`."""
        if not self.encrypted:
            return None
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        try:
            return tls_context("kafka", **files, verify_host=self.verify_host)
        except BadFile as error:
            raise TurnedAway(str(error)) from None


Reach = Brokers | str
"""A bare address is one of brokers that let everybody in."""


def client_options(brokers: Reach) -> dict[str, Any]:
    """What a producer, consumer or admin client of aiokafka is given to reach these brokers. Raises `TurnedAway`."""
    if isinstance(brokers, str):
        return {"bootstrap_servers": brokers}
    options: dict[str, Any] = {"bootstrap_servers": brokers.servers, "security_protocol": brokers.protocol}
    if brokers.encrypted:
        options["ssl_context"] = brokers.context()
    if brokers.user:
        options["sasl_mechanism"] = brokers.mechanism
        options["sasl_plain_username"] = brokers.user
        options["sasl_plain_password"] = brokers.password
    return options


async def knock(brokers: Reach) -> bool:
    """Try to be let in: clients of Kafka take a refusal for an outage, and try again for ever.

    Whether a broker answers. Raises `TurnedAway` if the first one that does refuses us.
    """
    options = client_options(brokers)
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        for _try in range(TRIES):
            try:
                conn = await create_conn(host, port, request_timeout_ms=KNOCK_MS, **options)
            except TimeoutError:
                break
            except (KafkaError, OSError) as error:
                refusal = _refusal(error)
                if refusal:
                    raise TurnedAway(refusal) from None
            else:
                await _look_around(conn, **options)
                return True
    return False


async def _look_around(conn: Any, sasl_mechanism: str = "", **_: Any) -> None:
    """A broker that wants a user shows those who name none the door at their first real request, without a word."""
    try:
        answer = None if sasl_mechanism else await conn.send(SaslHandShakeRequest("PLAIN"))
    except (KafkaError, OSError, TimeoutError):
        return
    finally:
        conn.close()
    if answer is not None and answer.error_code != IllegalSaslStateError.errno:
        raise TurnedAway("kafka.user: the broker wants one")


def _refusal(error: Exception) -> str | None:
    """What the broker has against us; None if it may be away. In words of ours: others' may quote what we sent."""
    for kinds, words in REFUSALS:
        if isinstance(error, kinds):
            return words
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"kafka.ca_file, kafka.verify_host: the broker's certificate is not accepted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return "kafka.cert_file, kafka.tls: the broker wants a certificate that it trusts, or no TLS"
    if isinstance(cause, asyncio.IncompleteReadError) and cause.expected is not None and cause.expected >> 16 == TLS_ALERT:
        return "kafka.tls: the broker wants TLS"
    return None
