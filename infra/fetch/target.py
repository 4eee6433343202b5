"""Which URLs are taken at all, before anything is looked up."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from gpu_consumers.ports import PictureRefused

LONGEST = 2048
"""Characters, as at admission."""
DEFAULT_PORTS = {"https": 443, "http": 80}

# A host is a plain name, an IPv4 or a bracketed IPv6 address. No user, no percent sign, no backslash, nothing beyond
# ASCII: those are what two parsers read in two ways. Other characters can be percent-encoded in the path.
_SHAPE = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253})(?::(?P<port>[0-9]{1,5}))?(?:[/?#][!-~]*)?\Z"
)
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One URL fit to be asked for."""

    url: URL
    host: str
    """A name, or an address without brackets."""
    port: int


def target_of(text: str, *, schemes: Collection[str], ports: Collection[int]) -> Target:
    """The URL if it is one we take. Raises `PictureRefused`; its text holds nothing of the URL."""
    shape = _SHAPE.match(text) if len(text) <= LONGEST else None
    if shape is None:
        raise PictureRefused("is not a plain URL: scheme, host, path, in ASCII, without a user or password")
    scheme, host = shape["scheme"].lower(), shape["host"].strip("[]")
    if scheme not in schemes:
        raise PictureRefused(f"must be a URL with {' or '.join(sorted(schemes))}")
    if _ENDS_IN_A_NUMBER.match(host) and not _is_address(host):
        raise PictureRefused("its host is a number written in an unusual way")
    port = int(shape["port"] or DEFAULT_PORTS[scheme])
    if port not in ports:
        raise PictureRefused("its port is not one we fetch from")
    try:
        return Target(url=URL(text), host=host, port=port)
    except ValueError:
        raise PictureRefused("is not a URL") from None


def _is_address(host: str) -> bool:
    """Four decimal numbers without leading zeros, or IPv6: nothing that two readers take for two addresses."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
