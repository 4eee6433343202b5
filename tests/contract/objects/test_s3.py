"""What the S3 store adds to the contract, on a real server that checks signatures and checksums."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from contracts.events import Output
from contracts.metrics import Metrics
from gpu_consumers.ports import NoSuchObject, ObjectsUnavailable, StoredObject
from infra.local.s3 import LocalS3
from tests.support.eventually import eventually
from tests.support.s3 import Spoil, Spoiler, fair, fetched, never

pytest.importorskip("boto3", reason="needs the extra: s3")

from infra.objects import s3 as s3_store
from infra.objects import s3_client
from infra.objects.links import links
from infra.objects.s3 import S3
from infra.objects.s3_place import place_of

SMALL_PARTS = 6_000_000
"""A size above which the tests send in parts, to be spared a hundred megabytes each."""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


Opened = Callable[[str], S3]


@pytest.fixture
def opened(bucket: str, registry: CollectorRegistry) -> Iterator[Opened]:
    stores: list[S3] = []

    def one(url: str) -> S3:
        stores.append(S3(place_of(url), Metrics(registry) if not stores else Metrics(CollectorRegistry())))
        return stores[-1]

    yield one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opened, s3: LocalS3, bucket: str) -> S3:
    return opened(s3.url(bucket, "some/prefix"))


@pytest.fixture(scope="module")
def unconnected() -> Iterator[S3]:
    """A store of which nobody asks anything that needs a server."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "any")
        store = S3(place_of("s3://pictures/some/prefix?endpoint=http://127.0.0.1:9"), Metrics(CollectorRegistry()))
    yield store
    store.close()


@pytest.fixture
async def spoiler(s3: LocalS3) -> AsyncIterator[Spoiler]:
    async with Spoiler(s3) as between:
        yield between


@pytest.fixture
def spoiled(spoiler: Spoiler, opened: Opened, s3: LocalS3, bucket: str) -> S3:
    """The same store by way of the spoiler."""
    return opened(s3.url(bucket, "some/prefix", port=spoiler.port))


def one(key: str, body: bytes = b"picture", media_type: str = "image/png") -> StoredObject:
    return StoredObject(key=key, body=body, media_type=media_type, sha256=hashlib.sha256(body).hexdigest())


def unfinished(store: S3) -> list[str]:
    return [upload["Key"] for upload in store.client.list_multipart_uploads(Bucket=store.place.bucket).get("Uploads", ())]


async def refused(link: str) -> bool:
    return (await fetched(link))[0] == 403


async def test_an_object_carries_its_type_how_long_to_keep_it_and_its_sha256(store: S3) -> None:
    await store.put([one("t/1.webp", media_type="image/webp")])
    head = await asyncio.to_thread(
        lambda: store.client.head_object(Bucket=store.place.bucket, Key="some/prefix/t/1.webp", ChecksumMode="ENABLED")
    )
    digest = hashlib.sha256(b"picture")
    assert (head["ContentType"], head["CacheControl"]) == ("image/webp", "private, max-age=31536000, immutable")
    assert head["ChecksumSHA256"] == base64.b64encode(digest.digest()).decode()
    assert head["Metadata"] == {"sha256": digest.hexdigest()}


async def test_what_is_damaged_on_the_way_is_refused_by_the_server(store: S3, spoiled: S3, spoiler: Spoiler) -> None:
    spoiler.alter = lambda body: body.replace(b"picture", b"pictura")
    with pytest.raises(ObjectsUnavailable):
        await spoiled.put([one("t/1")])
    with pytest.raises(NoSuchObject):
        await store.get("t/1")


@pytest.mark.timeout(600)  # a busy machine writes it, joins it and reads it
async def test_over_a_hundred_megabytes_go_in_parts_of_five(store: S3) -> None:
    body = bytes(range(256)) * 400_000  # 102.4 MB
    await store.put([one("t/film.mp4", body, "video/mp4")])
    assert not unfinished(store)
    name = {"Bucket": store.place.bucket, "Key": "some/prefix/t/film.mp4"}
    head = await asyncio.to_thread(lambda: store.client.head_object(**name, ChecksumMode="ENABLED"))
    assert head["ETag"].endswith('-20"')
    assert (head["ContentType"], head["ChecksumType"]) == ("video/mp4", "COMPOSITE")
    assert head["Metadata"] == {"sha256": hashlib.sha256(body).hexdigest()}
    assert await store.get("t/film.mp4") == body


def fail_part(number: int, *, abort: bool) -> Spoil:
    async def spoil(request: web.Request) -> int | None:
        if request.query.get("partNumber") == str(number):
            return 500
        return 500 if not abort and request.method == "DELETE" else None

    return spoil


async def test_an_upload_of_which_a_part_fails_leaves_nothing(
    store: S3, spoiled: S3, spoiler: Spoiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "LARGE", SMALL_PARTS)
    spoiler.spoil = fail_part(2, abort=True)
    with pytest.raises(ObjectsUnavailable):
        await spoiled.put([one("t/film.mp4", bytes(6_500_000))])
    assert not unfinished(store)
    with pytest.raises(NoSuchObject):
        await store.get("t/film.mp4")


async def test_an_upload_whose_process_died_is_removed_when_it_is_old(
    store: S3, spoiled: S3, spoiler: Spoiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The look for unfinished uploads sees one here, where even the abort fails: so it would have seen one above.
    monkeypatch.setattr(s3_store, "LARGE", SMALL_PARTS)
    spoiler.spoil = fail_part(2, abort=False)
    with pytest.raises(ObjectsUnavailable):
        await spoiled.put([one("t/film.mp4", bytes(6_500_000))])
    assert unfinished(store) == ["some/prefix/t/film.mp4"]
    await store.tidy()
    assert unfinished(store), "it may still be somebody's"
    monkeypatch.setattr(s3_store, "ABANDONED", timedelta(seconds=-60))
    await store.tidy()
    assert not unfinished(store)


async def test_a_store_that_answers_badly_is_unavailable_and_then_takes_the_object(spoiled: S3, spoiler: Spoiler) -> None:
    async def away(request: web.Request) -> int | None:
        return 503

    spoiler.spoil = away
    for call in (spoiled.put([one("t/1")]), spoiled.get("t/1"), spoiled.remove(["t/1"]), spoiled.tidy()):
        with pytest.raises(ObjectsUnavailable):
            await call
    spoiler.spoil = fair
    await spoiled.put([one("t/1")])
    assert await spoiled.get("t/1") == b"picture"


async def test_a_server_that_is_gone_hangs_or_is_no_server_is_unavailable(
    opened: Opened, bucket: str, spoiler: Spoiler, s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "READ_S", 0.3)
    spoiler.spoil = never
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody listens
        for port in (silent.getsockname()[1], spoiler.port):
            with pytest.raises(ObjectsUnavailable):
                await opened(s3.url(bucket, port=port)).get("t/1")


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
async def test_wrong_credentials_are_told_without_them(
    opened: Opened, s3: LocalS3, bucket: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "notthisone")
    with pytest.raises(ObjectsUnavailable, match=r"SignatureDoesNotMatch|InvalidAccessKeyId") as told:
        await opened(s3.url(bucket)).put([one("t/1")])
    assert "notthisone" not in str(told.value)
    assert told.value.__suppress_context__


async def test_no_credentials_at_all_are_an_outage_that_an_operator_ends(
    opened: Opened, s3: LocalS3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ObjectsUnavailable, match="NoCredentials"):
        await opened(s3.url(bucket)).put([one("t/1")])


async def test_two_stores_may_have_credentials_of_their_own(
    opened: Opened, s3: LocalS3, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    lines = "aws_access_key_id = {AWS_ACCESS_KEY_ID}\naws_secret_access_key = {AWS_SECRET_ACCESS_KEY}\n".format(**s3.env)
    file.write_text(f"[second]\n{lines}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-another-store")
    await opened(s3.url(bucket) + "&profile=second").put([one("t/1")])
    with pytest.raises(ObjectsUnavailable):
        await opened(s3.url(bucket)).get("t/1")
    with pytest.raises(ValueError, match="ProfileNotFound"):
        opened(s3.url(bucket) + "&profile=third")


async def test_a_bucket_that_is_not_there_is_an_outage_and_no_missing_object(opened: Opened, s3: LocalS3) -> None:
    with pytest.raises(ObjectsUnavailable, match="NoSuchBucket"):
        await opened(s3.url("no-such-bucket")).get("t/1")


async def test_fifty_requests_are_under_way_at_once_and_no_more_and_the_gauge_says_so(
    spoiled: S3, spoiler: Spoiler, registry: CollectorRegistry
) -> None:
    open_now, most, go = 0, 0, asyncio.Event()

    async def hold(request: web.Request) -> int | None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await go.wait()
        open_now -= 1
        return None

    spoiler.spoil = hold
    putting = asyncio.create_task(spoiled.put([one(f"t/{n}") for n in range(70)]))
    await eventually(lambda: open_now == 50)
    gauge = registry.get_sample_value("darkroom_object_calls")
    go.set()
    await putting
    assert (gauge, most) == (50, 50)
    assert registry.get_sample_value("darkroom_object_calls") == 0
    assert registry.get_sample_value("darkroom_object_seconds_count", {"verb": "put"}) == 70


async def test_more_objects_are_removed_than_one_request_can_name(store: S3) -> None:
    await store.put([one("t/last")])
    await store.remove([*(f"t/{n}" for n in range(1000)), "t/last"])
    assert await asyncio.to_thread(lambda: list(store.list_now())) == []


def output(store: S3, key: str) -> Output:
    url = store.url_of(key)
    return Output(key=key, url=url, media_type="image/png", width=8, height=8, bytes=7, sha256="", seed=1)


async def test_a_link_serves_the_bytes_to_whoever_has_it(store: S3) -> None:
    key = "acme/2026-01-01/w-1/job~1.0.0.png"
    await store.put([one(key)])
    (link,) = links(store, "acme", [output(store, key)])
    assert await fetched(link) == (200, b"picture", "image/png")
    assert "X-Amz-Expires=900" in link


async def test_a_link_stops_working_when_its_time_is_over(store: S3) -> None:
    await store.put([one("acme/1")])
    (link,) = links(store, "acme", [output(store, "acme/1")], ttl_s=1)
    await eventually(lambda: refused(link), what="the link is refused")


async def test_a_link_with_anything_changed_is_refused(store: S3) -> None:
    await store.put([one("acme/1"), one("umbra/1")])
    (link,) = links(store, "acme", [output(store, "acme/1")])
    last = "1" if link[-1] == "0" else "0"
    changed = {
        "key": link.replace("/acme/1", "/umbra/1"),
        "time": link.replace("Expires=900", "Expires=90000"),
        "signature": link[:-1] + last,
        "none": link.partition("?")[0],
        "bucket": link.replace("/some/prefix/acme/1", ""),
    }
    assert all(one != link for one in changed.values())
    assert {name for name, one in changed.items() if await refused(one)} == set(changed)
    async with asyncio.timeout(30):
        assert (await fetched(link))[0] == 200


@pytest.mark.parametrize(
    ("tenant", "key"),
    [
        ("acme", "umbra/1"), ("acme", "acme2/1"), ("acme", "acme"), ("acme", "/acme/1"), ("acme", "acme/../umbra/1"),
        ("acme", "acme//1"), ("acme", "acme/./1"), ("acme", "ACME/1"), ("a:b", "a:b/1"), ("a:b", "a/b/1"), ("..", "../umbra/1"),
        ("..", "umbra/1"), (".", "./umbra/1"), ("acme", "acme/%2e%2e/../umbra/1"), ("acme", "acme\\..\\umbra/1"), ("", "umbra/1"),
    ],
)  # fmt: skip
def test_a_tenant_gets_no_link_to_what_is_not_below_its_own_name(unconnected: S3, tenant: str, key: str) -> None:
    store = unconnected
    with pytest.raises(NoSuchObject):
        links(store, tenant, [output(store, "acme/1"), output(store, key)])


async def test_tls_is_checked_against_the_certificates_that_are_named(opened: Opened, s3: LocalS3, bucket: str) -> None:
    url = f"s3://{bucket}/p?addressing=path&endpoint={quote(s3.tls_endpoint, safe=':/')}"
    known = opened(f"{url}&ca={s3.ca}")
    (at,) = await known.put([one("acme/1")])
    assert str(s3.ca) not in at
    assert await known.get("acme/1") == b"picture"
    with pytest.raises(ObjectsUnavailable, match="SSLError"):
        await opened(url).get("acme/1")


async def test_parts_go_over_tls_too(opened: Opened, s3: LocalS3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "LARGE", SMALL_PARTS)
    store = opened(f"s3://{bucket}?addressing=path&endpoint={s3.tls_endpoint}&ca={s3.ca}")
    body = bytes(range(256)) * 25_000
    await store.put([one("acme/film", body)])
    assert await store.get("acme/film") == body


def test_a_tenant_gets_a_link_to_what_is_below_its_own_name(unconnected: S3) -> None:
    for tenant, key in (("acme", "acme/1"), ("a:b", "a~b/1"), ("..", "=../1")):
        assert len(links(unconnected, tenant, [output(unconnected, key)])) == 1


def test_the_bucket_is_in_the_path_or_in_the_host_name_as_the_url_says(opened: Opened, bucket: str) -> None:
    for addressing, start in (
        ("path", f"https://s3.example/{bucket}/acme/1?"),
        ("virtual", f"https://{bucket}.s3.example/acme/1?"),
    ):
        store = opened(f"s3://{bucket}?endpoint=https://s3.example&addressing={addressing}")
        assert store.link("acme/1", store.url_of("acme/1"), 900).startswith(start)


async def test_nothing_of_a_picture_or_a_secret_is_logged_even_at_debug(
    opened: Opened, s3: LocalS3, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = opened(s3.url(bucket))
    await store.put([one("acme/1", b"canary-of-a-picture")])
    store.link("acme/1", store.url_of("acme/1"), 900)
    for canary in ("canary-of-a-picture", s3.env["AWS_SECRET_ACCESS_KEY"], "X-Amz-Signature", "Authorization"):
        assert canary not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3:///key", "s3://Bucket", "s3://b", "s3://key:secret@bucket", "s3://secret@bucket/p", "s3://bucket/../p",
        "s3://bucket/a//p", "s3://bucket?secret=secret", "s3://bucket?endpoint=secret", "s3://bucket?endpoint=ftp://secret",
        "s3://bucket?endpoint=https://key:secret@host", "s3://bucket?endpoint=https://host/?secret=1", "s3://bucket#secret",
        "s3://bucket?addressing=secret", "s3://bucket?ca=/no/such/secret", "s3://bucket:secret/p",
    ],
)  # fmt: skip
def test_a_url_that_names_no_store_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"S3|endpoint|addressing|ca") as told:
        place_of(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b/", "s3://my.bucket-1/a%20b?endpoint=http://h:9&region=eu-1"])
def test_an_objects_url_leads_back_to_its_place(url: str) -> None:
    place = place_of(url)
    again = place_of(place.url_of("t/x y%.png"))
    assert (again.bucket, again.prefix) == (place.bucket, place.object_name("t/x y%.png"))
    assert again.known_as == place.known_as
