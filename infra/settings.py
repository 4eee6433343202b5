"""Settings, read once at the edge of each process: a TOML file (`DARKROOM_CONFIG`), then the environment.

`[kafka] bootstrap_servers` in the file is `DARKROOM_KAFKA_BOOTSTRAP_SERVERS` in the environment, and so on.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec
from msgspec import Struct

from contracts.brokers import Brokers, Mechanism
from contracts.topics import Topics

SECURITY = ("user", "password", "mechanism", "tls", "ca_file", "cert_file", "key_file", "verify_host")
"""Settings of Kafka that say who we are and whom we trust."""

HERE = Path(__file__).resolve().parent


BAD_SETTINGS_EXIT = 78
"""EX_CONFIG of sysexits.h: how a process ends that cannot work with its settings. Starting it again is of no use."""


class BadSetting(ValueError):
    """A setting that cannot be used; the message names it, never its value."""


class Access(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who we are to a server, and whom we trust to be it."""

    user: str = ""
    """Name to log in with; empty: without a login."""
    password: str = ""
    """Of that user."""
    ca_file: str = ""
    """PEM: who signs the server's certificate."""
    cert_file: str = ""
    """PEM: our own certificate, where the server asks for one. For Kafka the key may be in the same file."""
    key_file: str = ""
    """PEM: the key of that certificate."""
    verify_host: bool = True
    """Whether the server's certificate must also name the address we reach it by."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"  # a password must not get into a log by way of a settings object


class Kafka(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Kafka is, and how topics are laid out on it. A `user` turns SASL on."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """host:port of one broker or several, with commas between them."""
    prefix: str = ""
    """Put before every topic and group name."""
    partitions: int = 4
    """Of each topic that work is shared by."""
    batch_partitions: int = 16
    """Of each pool's batches; each worker has at least one of its own, so no fewer than workers."""
    overflow_partitions: int = 8
    """Of each pool's overflow."""
    session_timeout_s: float = 6.0
    """How long a silent process keeps its partitions."""
    mechanism: Mechanism = "SCRAM-SHA-512"
    """How to log in."""
    tls: bool = False
    """With the system's own authorities; `ca_file` or `cert_file` turn TLS on, too."""

    @property
    def brokers(self) -> Brokers:
        """What every client is given."""
        return Brokers(servers=self.bootstrap_servers, **{name: getattr(self, name) for name in SECURITY})


class Store(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where job state and outputs are kept, as URLs."""

    jobs: str = "sqlite:///.darkroom/jobs.db"
    """Job state: sqlite:///path or cassandra://host:port,host/keyspace."""
    objects: str = "file:///.darkroom/objects"
    """Outputs: file:///path or s3://bucket."""
    fallback: str = ""
    """A second store of objects, for what the first cannot take while it is away."""


class Cassandra(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to use the Cassandra that `store.jobs` names. A `ca_file` turns TLS on."""

    verify_host: bool = False
    """Nodes are found by address, and certificates of clusters seldom name addresses."""
    local_dc: str = ""
    """The data centre whose nodes are asked first."""
    replication: str = "1"
    """Of a keyspace made by `darkroom schema migrate`: copies in all, or in each data centre (dc1:3,dc2:3)."""
    keep_days: int = 90
    """How long jobs are remembered after their last change. Kafka must have forgotten them before: more than 7."""
    in_flight: int = 128
    """Requests that one process has under way at once."""
    timeout_s: float = 5.0
    """Until the outcome of a request counts as unknown."""


class Cache(Access, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Redis: what processes remember together to save work, and the buckets of rate limits that they share.

    Without one everything works; the job store is asked more often, and each process limits its part of the jobs.
    """

    url: str = ""
    """redis://host:port/number, or rediss:// for TLS."""
    prefix: str = "darkroom:"
    """What keys begin with. Systems that share a Redis have their own."""

    def __post_init__(self) -> None:
        if "@" in self.url:
            raise ValueError("a user and a password go into DARKROOM_CACHE_USER and _PASSWORD, not into the URL")
        if self.url and not self.url.startswith(("redis://", "rediss://")):
            raise ValueError("cache.url is not redis://host:port/number or rediss://host:port/number")


class Models(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which models there are."""

    catalog: str = str(HERE / "models.toml")
    """TOML that lists them."""
    threads: int = 0
    """Threads of a CPU engine; 0: as many as there are cores."""


class Tenants(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use how much."""

    file: str = ""
    """TOML (see infra/tenants.toml), read again when it changes. Without one nobody is limited, and all weigh the same."""


class Streams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Admission and scheduling."""

    pools: tuple[str, ...] = ("default",)
    """Groups of workers that models are placed in."""
    window_jobs: int = 10_000
    """Jobs of one tier that the scheduler holds (large ones count as several); the rest waits in Kafka. 10,000 at most."""
    batch_wait_s: float = 0.005
    """How long an idle worker waits at most for company for the only job there is, where others come often (seconds)."""


class Worker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One GPU consumer."""

    name: str = "worker"
    """What it is called in reports and results; something of its own is put behind it."""
    pool: str = "default"
    """The one that it works for."""
    grace_s: float = 30.0
    """On SIGTERM: how long the running batch may take before it is handed back."""
    slots: int = 2
    """Batches it takes at once: one running, the rest ready."""
    device: str = ""
    """Class of its device, by which run times are told apart; empty: as the engine calls it, e.g. cpu or h200."""
    spool: str = ".darkroom/spool"
    """Folder for finished outputs while the object store is away. Several workers of a machine may share it."""
    spool_bytes: int = 4 * 1024**3
    """Of one worker. When so much waits, no batch is begun."""
    spool_files: int = 2000
    """Of one worker; the same."""
    hang_s: float = 600.0
    """An engine that takes no step for this long, loading its model included, is killed and started again."""
    memory_mb: int = 0
    """Resident memory of an engine process above which a fresh one takes its place between two batches (MiB); 0: any.
    To be set above what the models need."""
    growth_mb: int = 4096
    """The same for how far it has grown since its first batch with the models that it holds (MiB); 0: any."""


class Fetch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures that jobs give by URL."""

    http: bool = False
    """Whether plain http is taken beside https."""
    ports: tuple[int, ...] = (80, 443)
    """That pictures may come from."""
    networks: tuple[str, ...] = ()
    """Networks (10.1.0.0/16) that pictures may come from although they are not public. Every tenant can read what is there."""
    max_bytes: int = 32 * 1_048_576
    """Of one picture."""
    timeout_s: float = 10.0
    """From looking up its host to its last byte, redirects included."""
    redirects: int = 3
    """Followed at most, each checked like the first address."""


class Observe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logs, metrics and health."""

    http_port: int = 0
    """Of /metrics, /healthz and /readyz on loopback; 0: any free port."""
    http_host: str = "127.0.0.1"
    """Address that they are served on."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a process."""

    kafka: Kafka = Kafka()
    store: Store = Store()
    cassandra: Cassandra = Cassandra()
    cache: Cache = Cache()
    models: Models = Models()
    tenants: Tenants = Tenants()
    streams: Streams = Streams()
    worker: Worker = Worker()
    fetch: Fetch = Fetch()
    observe: Observe = Observe()

    @property
    def topics(self) -> Topics:
        """Topic names as configured."""
        return Topics(
            prefix=self.kafka.prefix,
            pools=self.streams.pools,
            partitions=self.kafka.partitions,
            batch_partitions=self.kafka.batch_partitions,
            overflow_partitions=self.kafka.overflow_partitions,
        )


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises `BadSetting`."""
    values = _file(env.get("DARKROOM_CONFIG"))
    for group in msgspec.structs.fields(Settings):
        for one in msgspec.structs.fields(group.type):
            text = env.get(f"DARKROOM_{group.name}_{one.name}".upper())
            if text is not None:
                listed = [part for part in text.split(",") if part] if get_origin(one.type) is tuple else text
                values.setdefault(group.name, {})[one.name] = listed
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(f"settings: {error}") from None


def _file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"DARKROOM_CONFIG: {error}") from error


def to_env(settings: Settings) -> dict[str, str]:
    """The settings as environment variables for a child process."""
    env: dict[str, str] = {}
    for group, fields in msgspec.to_builtins(settings).items():
        for name, value in fields.items():
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            env[f"DARKROOM_{group}_{name}".upper()] = text
    return env
