"""Objects in a bucket of S3, or of any server that speaks it: boto3 in threads.

Not aiobotocore: it holds boto3 back at versions that are long gone, and an upload is one request that mostly waits.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from contracts.metrics import Metrics
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject
from infra.objects.keys import digest_of, is_key, safe_parts
from infra.objects.s3_client import POOL, classed, new_client
from infra.objects.s3_place import S3Place

T = TypeVar("T")

LARGE = 100_000_000
"""From this size an object goes in parts (bytes)."""
PART = 5 * 1_048_576
"""The smallest part S3 takes: what a failed request costs to send again (bytes)."""
KEYS_MAX = 1000
"""Objects that one request removes; S3's own limit."""
ABANDONED = timedelta(days=1)
"""An upload in parts that began so long ago is nobody's any more."""
CACHING = "private, max-age=31536000, immutable"
"""A key is never used again for other bytes; caches between us and the one who asked are nobody's business."""


class S3:
    """Implements gpu_consumers.ports.ObjectStore, streams.ports.ObjectRemover and infra.objects.store.Objects."""

    def __init__(self, place: S3Place, metrics: Metrics) -> None:
        """Prepare; nothing is sent yet. Raises BadSetting for settings that cannot be used."""
        self.place = place
        self.client = new_client(place)
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(POOL, thread_name_prefix="s3")

    async def put(self, objects: Sequence[StoredObject]) -> list[str]:
        for one in objects:
            safe_parts(one.key)
        await self._all("put", self._put, objects)
        return [self.url_of(one.key) for one in objects]

    async def get(self, key: str) -> bytes:
        safe_parts(key)
        return await self._run("get", self._get, key)

    def get_now(self, key: str) -> bytes:
        """`get`, blocking."""
        safe_parts(key)
        return self._timed("get", self._get, key)

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove objects; absent ones, and what is no key, are no error."""
        known = list(filter(is_key, keys))
        await self._all("remove", self._remove, [known[at : at + KEYS_MAX] for at in range(0, len(known), KEYS_MAX)])

    def list_now(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with this, in order."""
        above = self.place.object_name("")
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.place.bucket, Prefix=above + prefix)
        with classed():
            for page in pages:
                yield from (one["Key"].removeprefix(above) for one in page.get("Contents", ()))

    def url_of(self, key: str) -> str:
        return self.place.url_of(key)

    def link(self, key: str, url: str, ttl_s: int) -> str:
        """A signed address; the server refuses it after `ttl_s` seconds, or with anything in it changed."""
        safe_parts(key)
        if url != self.url_of(key):
            raise NoSuchObject("the object is not in this store")
        with classed():
            return str(self.client.generate_presigned_url("get_object", Params=self._name(key), ExpiresIn=ttl_s))

    async def tidy(self) -> None:
        """Abort uploads in parts whose process died: a bucket without lifecycle rules would keep the parts for ever."""
        await self._run("tidy", self._tidy)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self.client.close()

    async def _all(self, verb: str, work: Callable[[T], None], things: Sequence[T]) -> None:
        """Do all of it, whatever fails, so that nothing is under way any more when the caller hears of a failure."""
        done = await asyncio.gather(*(self._run(verb, work, one) for one in things), return_exceptions=True)
        for failure in done:
            if failure is not None:
                raise failure

    async def _run(self, verb: str, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._timed, verb, work, *arguments)

    def _timed(self, verb: str, work: Callable[..., T], *arguments: Any) -> T:
        with self._metrics.object_calls.track_inprogress(), self._metrics.object_time.labels(verb).time(), classed():
            return work(*arguments)

    def _name(self, key: str) -> dict[str, str]:
        return {"Bucket": self.place.bucket, "Key": self.place.object_name(key)}

    def _put(self, one: StoredObject) -> None:
        digest = digest_of(one)
        about = {"ContentType": one.media_type, "CacheControl": CACHING, "Metadata": {"sha256": digest.hex()}}
        if len(one.body) > LARGE:
            self._put_in_parts(one, about)
        else:
            # The server refuses bytes that are not those of the checksum.
            checksum = base64.b64encode(digest).decode()
            self.client.put_object(**self._name(one.key), Body=one.body, ChecksumSHA256=checksum, **about)

    def _put_in_parts(self, one: StoredObject, about: dict[str, Any]) -> None:
        from boto3.s3.transfer import TransferConfig

        # Each part with its own checksum; it aborts by itself if one fails. Parts one after the other: the pool is the
        # only thing that says how many requests are under way.
        with closing(new_client(self.place, large=True)) as client:
            client.upload_fileobj(
                io.BytesIO(one.body),
                *self._name(one.key).values(),
                ExtraArgs={"ChecksumAlgorithm": "SHA256", **about},
                Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False),
            )

    def _get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(**self._name(key), ChecksumMode="ENABLED")["Body"].read()
        return body

    def _remove(self, keys: Sequence[str]) -> None:
        listed = [{"Key": self.place.object_name(key)} for key in keys]
        answer = self.client.delete_objects(Bucket=self.place.bucket, Delete={"Objects": listed, "Quiet": True})
        refused = {error["Code"] for error in answer.get("Errors", ())} - {"NoSuchKey"}
        if refused:
            raise ObjectsUnavailable(f"S3: {', '.join(sorted(refused))}")

    def _tidy(self) -> None:
        before = datetime.now(UTC) - ABANDONED
        listing = self.client.get_paginator("list_multipart_uploads")
        pages = listing.paginate(Bucket=self.place.bucket, Prefix=self.place.object_name(""))
        for upload in (one for page in pages for one in page.get("Uploads", ())):
            if upload["Initiated"] < before:
                self.client.abort_multipart_upload(Bucket=self.place.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
