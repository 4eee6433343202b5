"""Pictures from URLs that strangers wrote: fetched so that no request of ours reaches what only we can reach."""

from infra.fetch.fetch import Fetch

__all__ = ["Fetch"]
