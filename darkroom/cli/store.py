"""The job store, as the verbs that look into it open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from darkroom.cli.where import Where
from darkroom.errors import DarkroomError
from infra.jobstore import open_jobs
from infra.settings import Store, read_settings
from streams.ports import JobStore, StoreUnavailable


@asynccontextmanager
async def job_store(where: Where) -> AsyncIterator[JobStore]:
    """The store that the settings name, else that of the running system. Raises DarkroomError, BadSetting."""
    settings = read_settings()
    said = settings.store.jobs
    store = open_jobs(said if said != Store().jobs else where.running().job_store, settings.cassandra, settings.cache)
    try:
        yield store
    except StoreUnavailable as error:
        raise DarkroomError(f"The job store does not answer: {error}") from error
    finally:
        await store.close()
