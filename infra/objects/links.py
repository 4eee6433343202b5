"""Links to outputs, for the tenant they belong to and for nobody else."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.events import Output
from gpu_consumers.ports import NoSuchObject
from gpu_consumers.upload import safe
from infra.objects.store import Objects

LINK_S = 900
"""How long a link works (seconds)."""


def links(store: Objects, tenant: str, outputs: Sequence[Output], ttl_s: int = LINK_S) -> list[str]:
    """An address for each output, which works without credentials for `ttl_s` seconds.

    Raises NoSuchObject if one is not the tenant's: a tenant gets keys below its own name only, whatever a result says.
    """
    own = f"{safe(tenant)}/"
    if not all(output.key.startswith(own) for output in outputs):
        raise NoSuchObject("not an object of this tenant")
    return [store.link(output.key, output.url, ttl_s) for output in outputs]
