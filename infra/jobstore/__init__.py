"""Adapters of `streams.ports.JobStore`, chosen by URL."""

from infra.jobstore.choose import open_jobs

__all__ = ["open_jobs"]
