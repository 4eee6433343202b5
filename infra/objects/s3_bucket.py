"""Making a bucket fit for outputs: commands of an operator, run once and safe to run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable
from infra.objects.s3_client import classed, code_of
from infra.objects.s3_place import S3Place

ARCHIVE_DAYS = 90
ARCHIVE_CLASS = "GLACIER_IR"
"""The cheapest class whose objects are still there at once: links to old outputs keep working."""
UPLOADS_DAYS = 1
"""After so long an upload in parts that was not finished never will be."""

CANNOT = frozenset({405, 501})
"""What servers answer to a request they do not know."""


def set_up(client: Any, place: S3Place, *, archive_days: int = ARCHIVE_DAYS, archive_class: str = ARCHIVE_CLASS) -> list[str]:
    """Make the bucket, close it to the public, set lifecycle rules; returns what was done, a line each.

    `archive_days` 0: nothing is archived. Raises ObjectsUnavailable.
    """
    closed = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    return [
        _made(client, place),
        _told(
            lambda: client.put_public_access_block(Bucket=place.bucket, PublicAccessBlockConfiguration=closed),
            done="public access: blocked",
            cannot="public access: this server has no switch for it; see to it that the bucket is not public",
        ),
        _told(
            lambda: _set_rules(client, place, rules(place.prefix, archive_days, archive_class)),
            done=f"lifecycle: {_plan(archive_days, archive_class)}, unfinished uploads go after {UPLOADS_DAYS} day",
            cannot="lifecycle: this server has no such rules, so nothing is archived; "
            "remove unfinished uploads with `darkroom bucket tidy` now and then",
        ),
    ]


def rules(prefix: str, archive_days: int, archive_class: str) -> list[dict[str, Any]]:
    """Our lifecycle rules for what is below a prefix."""
    where = {"Status": "Enabled", "Filter": {"Prefix": f"{prefix}/" if prefix else ""}}
    uploads = {
        **where,
        "ID": f"darkroom-uploads {prefix}",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOADS_DAYS},
    }
    moves = [{"Days": archive_days, "StorageClass": archive_class}]
    archive = {**where, "ID": f"darkroom-archive {prefix}", "Transitions": moves}
    return [uploads, archive] if archive_days else [uploads]


def merged(old: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """All rules of a bucket with ours replaced: setting rules replaces every one there is, other people's included."""
    own = {f"darkroom-uploads {prefix}", f"darkroom-archive {prefix}"}
    return [rule for rule in old if rule.get("ID") not in own] + list(ours)


def _made(client: Any, place: S3Place) -> str:
    try:
        with classed():
            client.head_bucket(Bucket=place.bucket)
    except NoSuchObject:
        region = client.meta.region_name
        elsewhere = {} if place.endpoint or region == "us-east-1" else {"LocationConstraint": region}
        with classed():
            client.create_bucket(Bucket=place.bucket, **({"CreateBucketConfiguration": elsewhere} if elsewhere else {}))
        return f"bucket {place.bucket}: made"
    return f"bucket {place.bucket}: there already"


def _set_rules(client: Any, place: S3Place, ours: Sequence[dict[str, Any]]) -> None:
    try:
        old = client.get_bucket_lifecycle_configuration(Bucket=place.bucket)["Rules"]
    except ClientError as error:
        if code_of(error) != "NoSuchLifecycleConfiguration":
            raise
        old = []
    client.put_bucket_lifecycle_configuration(
        Bucket=place.bucket, LifecycleConfiguration={"Rules": merged(old, ours, place.prefix)}
    )


def _told(do: Callable[[], object], *, done: str, cannot: str) -> str:
    try:
        with classed():
            try:
                do()
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in CANNOT:
                    return cannot
                raise
    except NoSuchObject as error:
        raise ObjectsUnavailable("S3: the bucket is gone") from error
    return done


def _plan(archive_days: int, archive_class: str) -> str:
    return f"objects go to {archive_class} after {archive_days} days" if archive_days else "nothing is archived"
