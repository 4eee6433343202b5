"""The tenants' file, read again when it changes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from contracts.tenants import Limits, Tenant, Tenants, load_tenants
from infra.settings import BadSetting

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between looks at the file."""

Stamp = tuple[int, int, int] | None


class TenantsFile:
    """What the file says now. A new version that cannot be used changes nothing, and the log says what is wrong with it."""

    def __init__(self, file: str) -> None:
        """Read it for the first time; without a file nobody is limited. Raises BadSetting."""
        self._file = Path(file) if file else None
        self._stamp = self._look()
        try:
            self.now = load_tenants(self._file) if self._file else Tenants()
        except ValueError as error:
            raise BadSetting(f"tenants.file: {error}".replace("\n", " ")) from None

    def of(self, tenant: str) -> Tenant:
        """What holds for this tenant at present."""
        return self.now.of(tenant)

    @property
    def everybody(self) -> Limits:
        """What holds for all together at present."""
        return self.now.everybody

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        while self._file:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Read the file again if it changed."""
        stamp = self._look()
        if self._file is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.now = load_tenants(self._file)
        except ValueError as error:
            log.warning("the tenants' file cannot be used, going on with what it said before: %s", error)
        else:
            log.info("the tenants' file was read again: %d tenants are named", len(self.now.tenants))

    def _look(self) -> Stamp:
        try:
            seen = self._file.stat() if self._file else None
        except OSError:
            return None
        return (seen.st_mtime_ns, seen.st_size, seen.st_ino) if seen else None
