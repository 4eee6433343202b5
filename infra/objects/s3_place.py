"""Where an S3 store is: everything in its URL. Credentials never are; they come from the usual places of AWS's tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from infra.objects.keys import is_key
from infra.settings import BadSetting

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
Addressing = Literal["auto", "path", "virtual"]
USAGE = "the URL of an S3 store is s3://bucket/prefix?endpoint=…&region=…&addressing=path|virtual&ca=/path&profile=…"


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Place:
    """A prefix in a bucket, and how to reach it."""

    bucket: str
    prefix: str = ""
    """Without slashes at its ends; may be empty."""
    endpoint: str = ""
    """http(s)://host:port of another server than AWS."""
    region: str = ""
    addressing: Addressing = "auto"
    """Whether the bucket is in the path or in the host name."""
    ca: str = ""
    """File of certificates (PEM) that the server's is to be checked against; the system's if empty."""
    profile: str = ""
    """Section of the shared credentials file, where two stores have different ones."""

    @property
    def known_as(self) -> dict[str, str]:
        """What somebody else must know to reach the same server."""
        told = {"endpoint": self.endpoint, "region": self.region, "addressing": self.addressing.replace("auto", "")}
        return {name: value for name, value in told.items() if value}

    def object_name(self, key: str) -> str:
        """The name in the bucket of the object with this key."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def url_of(self, key: str) -> str:
        """The URL of an object, which `place_of` understands as well."""
        query = f"?{urlencode(self.known_as, quote_via=quote, safe=':/')}" if self.known_as else ""
        return f"s3://{self.bucket}/{quote(self.object_name(key))}{query}"


def place_of(url: str) -> S3Place:
    """The place that an s3:// URL names. Raises BadSetting; the message never holds the URL, which may carry a secret."""
    try:
        parsed = urlsplit(url)
    except ValueError:  # an address that is none
        raise BadSetting(USAGE) from None
    if parsed.scheme != "s3" or parsed.fragment:
        raise BadSetting(USAGE)
    if "@" in parsed.netloc:
        raise BadSetting("the URL of an S3 store holds no credentials: put them into AWS_ACCESS_KEY_ID or ~/.aws/credentials")
    prefix = unquote(parsed.path).strip("/")
    if not BUCKET.fullmatch(parsed.netloc) or not (is_key(prefix) or not prefix):
        raise BadSetting(USAGE)
    given = {name: values[-1] for name, values in parse_qs(parsed.query).items()}
    if not given.keys() <= OPTIONS.keys():
        raise BadSetting(USAGE)
    checked: dict[str, Any] = {name: OPTIONS[name](value) for name, value in given.items()}
    return S3Place(bucket=parsed.netloc, prefix=prefix, **checked)


def _endpoint(value: str) -> str:
    try:
        parsed = urlsplit(value)
        known = parsed.scheme in ("http", "https") and parsed.hostname and parsed.port != 0
    except ValueError:  # a port or an address that is none
        known = None
    if not known or parsed.query or "@" in parsed.netloc:
        raise BadSetting("endpoint: must be http(s)://host:port, without credentials")
    return value


def _addressing(value: str) -> str:
    if value not in get_args(Addressing):
        raise BadSetting("addressing: must be auto, path or virtual")
    return value


def _file(value: str) -> str:
    if not Path(value).is_file():
        raise BadSetting("ca: there is no such file")
    return value


OPTIONS: Mapping[str, Callable[[str], str]] = {
    "endpoint": _endpoint,
    "region": str,
    "addressing": _addressing,
    "ca": _file,
    "profile": str,
}
