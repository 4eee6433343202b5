"""boto3's client as we want it, and its errors as our users know them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable
from infra.extras import from_extra
from infra.objects.s3_place import S3Place
from infra.settings import BadSetting

POOL = 50
"""Connections, and threads to use them: an upload is one request that mostly waits."""

CONNECT_S = 3.0
READ_S = 10.0
"""Without a byte, in either direction (seconds)."""
JOIN_S = 120.0
"""The same for large uploads: a server may take its time to put the parts together."""
ATTEMPTS = 2
"""A connection that the server had closed meanwhile costs one. More would only hide an outage from those who wait in their
own way: uploads are tried again for ever, what cannot be read is told."""

MISSING = frozenset({"NoSuchKey", "NotFound", "404"})


def new_client(place: S3Place, *, large: bool = False) -> Any:
    """A client for this place, or for large uploads to it; nothing is sent yet. Raises BadSetting for unusable settings."""
    with from_extra("s3", "boto3", "S3"):
        import boto3
        from botocore.exceptions import BotoCoreError
    # They print requests at DEBUG: bodies, and signatures that would open an object.
    for name in ("boto3", "botocore", "s3transfer", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        session = boto3.Session(profile_name=place.profile or None, region_name=place.region or None)
        return session.client(
            "s3",
            region_name=session.region_name or "us-east-1",  # other servers want one in the signature, and any will do
            endpoint_url=place.endpoint or None,
            verify=place.ca or None,
            config=_config(place, JOIN_S if large else READ_S),
        )
    except (BotoCoreError, ValueError) as error:
        raise BadSetting(f"S3: {type(error).__name__}") from None


def _config(place: S3Place, read_s: float) -> Any:
    from botocore.config import Config

    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_S,
        read_timeout=read_s,
        max_pool_connections=POOL,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        s3={"addressing_style": place.addressing},
        tcp_keepalive=True,
        # Every put brings its own sha256; a second, weaker checksum is one more thing a server may not know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_supported",
    )


@contextmanager
def classed() -> Iterator[None]:
    """Turn boto3's errors into NoSuchObject and ObjectsUnavailable.

    A wrong key, a missing bucket or a full disk is an outage, too: an operator mends it, and then the work goes on.
    Only codes and types are told: texts of a server may quote anything.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in MISSING:
            raise NoSuchObject("no object has this key") from None
        raise ObjectsUnavailable(f"S3: {code}") from None
    except (BotoCoreError, Boto3Error, OSError) as error:
        raise ObjectsUnavailable(f"S3: {type(error).__name__}") from None


def code_of(error: Any) -> str:
    """The server's error code."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))
