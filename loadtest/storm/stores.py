"""Where jobs and objects are kept in a storm: embedded, or in real servers that are struck, most through a proxy."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.settings import Cache, Store
from loadtest.storm import cache
from loadtest.storm.faults import Actor, Fault, cache_faults, outage_faults
from loadtest.storm.options import Options
from loadtest.storm.proxy import Outages, Proxy, Weather
from streams.ports import StoreUnavailable

KEYSPACE = "storm"
S3 = "s3"
"""Name of the actor that is the object store."""
BUCKET = "storm"
START_S = 60.0
AWAY_S = (20.0, 60.0)
"""How long an outage lasts (seconds)."""
AWAY = (Weather(mode="refuse"), Weather(mode="hang"))
BAD_ANSWERS = (
    Weather(mode="answer", status=503),
    Weather(mode="cut"),
    Weather(mode="answer", status=500),
    Weather(mode="slow"),
    Weather(mode="refuse"),
)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Addresses of the stores, and what can happen to them."""

    used: Store
    """What the processes are told: through the proxies, if there are any."""
    direct: Store
    """Where the oracle looks."""
    cache: Cache = field(default_factory=Cache)
    """What remembers jobs before the job store; none in embedded ones."""
    actors: list[tuple[Actor, Iterator[Fault]]] = field(default_factory=list)


def embedded(folder: Path) -> Stores:
    """One SQLite file and a folder, which know no outages."""
    store = Store(jobs=f"sqlite:///{folder / 'jobs.db'}", objects=f"file://{folder / 'objects'}")
    return Stores(used=store, direct=store)


@asynccontextmanager
async def opened(options: Options, folder: Path) -> AsyncIterator[Stores]:
    """The stores that the options ask for. Servers need their extras."""
    if options.stores == "embedded":
        yield embedded(folder)
    elif options.stores == "cached":
        async with _cached(options, folder, embedded(folder)) as stores:
            yield stores
    else:
        async with _servers(options, folder) as stores, _cached(options, folder, stores) as with_cache:
            yield with_cache


@asynccontextmanager
async def _cached(options: Options, folder: Path, stores: Stores) -> AsyncIterator[Stores]:
    async with cache.started(folder) as redis:
        actor = (redis, cache_faults(options.seed, redis.name))
        yield replace(stores, cache=Cache(url=redis.url), actors=[*stores.actors, actor])


@asynccontextmanager
async def _servers(options: Options, folder: Path) -> AsyncIterator[Stores]:
    async with _cassandra(folder) as (jobs, jobs_direct, away), _s3(folder) as (objects, objects_direct, bad):
        plans = [(one, outage_faults(options.seed, one.name, life_s=options.fair_s, hold_s=AWAY_S)) for one in (away, bad)]
        yield Stores(
            used=Store(jobs=jobs, objects=objects), direct=Store(jobs=jobs_direct, objects=objects_direct), actors=list(plans)
        )


@asynccontextmanager
async def _cassandra(folder: Path) -> AsyncIterator[tuple[str, str, Outages]]:
    from infra.local.cassandra import LocalCassandra

    node = LocalCassandra(folder / "cassandra")
    try:
        await asyncio.to_thread(node.start)
        await asyncio.to_thread(_migrate, node.url(KEYSPACE))
        async with Proxy("127.0.0.1", node.port) as proxy:
            through = f"cassandra://127.0.0.1:{proxy.port}/{KEYSPACE}"
            yield through, node.url(KEYSPACE), Outages("cassandra", proxy, AWAY)
    finally:
        await asyncio.to_thread(node.stop)


def _migrate(url: str) -> None:
    from infra.jobstore.cassandra_admin import migrate
    from infra.settings import Cassandra

    until = time.monotonic() + START_S
    while True:
        try:
            migrate(url, Cassandra(timeout_s=20.0))
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)
        else:
            return


@asynccontextmanager
async def _s3(folder: Path) -> AsyncIterator[tuple[str, str, Outages]]:
    from infra.local.s3 import LocalS3

    server = LocalS3(folder / "s3")
    try:
        await asyncio.to_thread(server.start)
        os.environ.update(server.env)
        await asyncio.to_thread(_make_bucket, server.url(BUCKET))
        async with Proxy("127.0.0.1", server.port) as proxy:
            yield server.url(BUCKET, port=proxy.port), server.url(BUCKET), Outages(S3, proxy, BAD_ANSWERS)
    finally:
        await asyncio.to_thread(server.stop)


def _make_bucket(url: str) -> None:
    from infra.objects.s3_bucket import set_up
    from infra.objects.s3_client import new_client
    from infra.objects.s3_place import place_of

    place = place_of(url)
    client = new_client(place)
    try:
        set_up(client, place)
    finally:
        client.close()
