"""Which Maven repository to download from: the environment's, else the user's mirror, else the default."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

OVERRIDE = "DARKROOM_MAVEN_REPOSITORY"
SETTINGS = Path(".m2/settings.xml")
# What a mirror says in <mirrorOf> when it also stands in for the default repository.
COVERS_DEFAULT = frozenset({"*", "central", "external:*", "external:http:*"})


def repository() -> str:
    """Return the base address of the repository, without a slash at its end."""
    base = os.environ.get(OVERRIDE) or mirror(Path.home() / SETTINGS) or default()
    return base.rstrip("/")


def default() -> str:
    """Return the repository every Maven client starts from, as the `jgo` package knows it."""
    # Imported here: it costs 0.4 s, and most starts download nothing.
    from jgo.constants import MAVEN_CENTRAL_URL

    return str(MAVEN_CENTRAL_URL)


def mirror(settings: Path) -> str | None:
    """Return the mirror that a Maven settings file names for the default repository, if any."""
    try:
        root = ET.parse(settings).getroot()  # noqa: S314 - the user's own file
    except (OSError, ET.ParseError):
        return None
    found = (_covering(entry) for entry in root.iterfind(".//{*}mirrors/{*}mirror"))
    return next((url for url in found if url), None)


def _covering(entry: ET.Element) -> str | None:
    names = {name.strip() for name in (entry.findtext("{*}mirrorOf") or "").split(",")}
    if "!central" in names or not names & COVERS_DEFAULT:
        return None
    return (entry.findtext("{*}url") or "").strip() or None
