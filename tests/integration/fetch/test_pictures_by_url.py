"""The fetcher against servers on loopback. Names are resolved by a table; all else is the code that runs in a worker."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme

from gpu_consumers.ports import PictureRefused, PictureUnavailable
from infra.fetch import Fetch
from infra.fetch.resolve import SystemLookup
from infra.settings import Fetch as Rules
from tests.support.hostile_urls import LITERALS, NAMES
from tests.support.sites import PICTURE, Page, answer, moved, site

pytestmark = pytest.mark.timeout(60)
LOOPBACK = ("127.0.0.1/32",)


@dataclass
class Table:
    """Name servers. What is no name in it is taken for an address, as the system's own look-up does."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    """Answers in turn; the last one repeats."""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.names.get(host)
        if answers is None:
            return await SystemLookup(1)(host, port)
        return answers.pop(0) if len(answers) > 1 else answers[0]


def fetcher(*ports: int, names: Any = None, tls: ssl.SSLContext | None = None, **rules: Any) -> Fetch:
    usual: dict[str, Any] = {"http": True, "ports": (80, 443, *ports), "networks": LOOPBACK, "timeout_s": 20.0}
    return Fetch(Rules(**usual | rules), lookup=names if isinstance(names, Table) else Table(names or {}), tls=tls)


async def fetched(pages: dict[str, Page], path: str = "/x.png", **rules: Any) -> bytes:
    async with site(pages) as one:
        return await fetcher(one.port, **rules).fetch(f"http://127.0.0.1:{one.port}{path}")


class TestHostile:
    @pytest.mark.parametrize("name", LITERALS)
    async def test_a_hostile_url_is_refused_and_nobody_is_asked(self, name: str) -> None:
        async with site() as trap:
            url = LITERALS[name].format(port=trap.port)
            names = {"good.example": [["93.184.216.34"]]}
            with pytest.raises(PictureRefused) as caught:
                await fetcher(trap.port, names=names, networks=()).fetch(url)
        assert trap.connections == 0
        assert not {"127", "example", "passwd", "secret"} & set(str(caught.value).replace(".", " ").split())

    @pytest.mark.parametrize("name", NAMES)
    async def test_a_name_that_leads_inside_is_refused_and_nobody_is_asked(self, name: str) -> None:
        async with site() as trap:
            with pytest.raises(PictureRefused):
                await fetcher(trap.port, names={name: [NAMES[name]]}, networks=()).fetch(f"http://{name}:{trap.port}/x.png")
        assert trap.connections == 0

    async def test_without_the_rule_about_addresses_such_urls_do_reach_the_trap(self) -> None:
        """So the tests above can fail."""
        async with site() as trap:
            everywhere = fetcher(trap.port, names={"localhost": [["127.0.0.1"]]}, networks=("0.0.0.0/0", "::/0"))
            for url in (LITERALS["loopback"], LITERALS["this-machine"], LITERALS["at-in-a-fragment"], "http://localhost:{port}/"):
                assert await everywhere.fetch(url.format(port=trap.port)) == PICTURE
        assert trap.connections == 4

    def test_there_are_enough_of_them(self) -> None:
        assert len(LITERALS) + len(NAMES) >= 60


class TestNames:
    async def test_a_name_is_looked_up_once_and_what_it_says_later_counts_for_nothing(self) -> None:
        async with site() as good, site(host="127.0.0.2") as inside:
            table = Table({"good.example": [["127.0.0.1"], ["127.0.0.2"]]})
            assert await fetcher(good.port, names=table).fetch(f"http://good.example:{good.port}/") == PICTURE
        assert table.asked == ["good.example"]
        assert inside.connections == 0
        assert f"\r\nHost: good.example:{good.port}\r\n" in good.requests[0]

    async def test_a_name_that_moved_inside_by_the_second_hop_is_refused_there(self) -> None:
        async with site() as inside:
            table = Table({"good.example": [["127.0.0.1"], ["127.0.0.2"]]})
            async with site({"/": moved(f"http://good.example:{inside.port}/secret")}) as good:
                with pytest.raises(PictureRefused, match="public"):
                    await fetcher(good.port, inside.port, names=table).fetch(f"http://good.example:{good.port}/")
        assert table.asked == ["good.example"] * 2
        assert inside.connections == 0

    async def test_the_next_address_is_tried_where_the_first_does_not_answer(self) -> None:
        async with site() as good:
            table = Table({"good.example": [["127.0.0.3", "127.0.0.1"]]})
            wide = fetcher(good.port, names=table, networks=("127.0.0.0/8",))
            assert await wide.fetch(f"http://good.example:{good.port}/") == PICTURE

    async def test_a_name_that_is_not_known_may_be_known_later(self) -> None:
        async def unknown(host: str, port: int) -> Sequence[str]:
            raise OSError(f"{host}:{port} is not known")

        with pytest.raises(PictureUnavailable, match="its host is not known"):
            await Fetch(Rules(), lookup=unknown).fetch("https://nobody.example/")

    async def test_name_servers_that_hang_cost_no_more_than_the_time_allowed(self) -> None:
        async def hang(host: str, port: int) -> Sequence[str]:
            del host, port
            await asyncio.Event().wait()
            return []

        with pytest.raises(PictureUnavailable, match=r"within 0\.05 s"):
            await Fetch(Rules(timeout_s=0.05), lookup=hang).fetch("https://slow.example/")

    async def test_the_environments_proxy_is_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with site() as proxy, site() as good:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            await fetcher(good.port).fetch(f"http://127.0.0.1:{good.port}/")
        assert (proxy.connections, good.connections) == (0, 1)


INSIDE = [
    "http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "http://[::1]:{port}/", "http://2130706434:{port}/",
    "http://inside.example:{port}/", "http://user@127.0.0.2:{port}/", "\\\\127.0.0.2:{port}/", "http://127。0。0。2:{port}/",
    "file:///etc/passwd", "gopher://127.0.0.2:{port}/", "http://127.0.0.2:22/", "http://[", "http://169.254.169.254/latest/",
]  # fmt: skip


class TestRedirects:
    @pytest.mark.parametrize("location", INSIDE)
    async def test_a_redirect_inside_is_refused(self, location: str) -> None:
        async with site(host="127.0.0.2") as trap:
            where = location.format(port=trap.port)
            async with site({"/": answer(b"", "302 Found", Location=where.encode().decode("latin-1"))}) as good:
                careful = fetcher(good.port, trap.port, names={"inside.example": [["127.0.0.2"]]})
                with pytest.raises(PictureRefused):
                    await careful.fetch(f"http://127.0.0.1:{good.port}/")
        assert trap.connections == 0

    async def test_a_few_redirects_are_followed_also_relative_ones(self) -> None:
        pages: dict[str, Page] = {
            "/a": moved("b"),
            "/b": moved("/c", "307 Temporary Redirect"),
            "/c": moved("?d"),
            "/c?d": answer(),
        }
        assert await fetched(pages, "/a") == PICTURE

    async def test_more_redirects_than_allowed_are_not(self) -> None:
        with pytest.raises(PictureRefused, match="redirected more than 3 times"):
            await fetched({f"/{n}": moved(f"/{n + 1}") for n in range(9)}, "/0")

    async def test_a_circle_is_not(self) -> None:
        with pytest.raises(PictureRefused, match="redirected more"):
            await fetched({"/": moved("/")}, "/")

    async def test_from_https_to_http_only_where_http_is_allowed(self) -> None:
        with pytest.raises(PictureRefused, match=r"must be a URL with https$"):
            await fetched({}, http=False)


async def _drip(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever."""
    writer.write(answer(b"", length=1000))
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _drip_heads(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _silence(writer: asyncio.StreamWriter) -> None:
    del writer
    await asyncio.sleep(60)


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def _continue_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(PICTURE, length=len(PICTURE) + 1))


NOT_TIMELY: dict[str, Page] = {"drips": _drip, "drips-heads": _drip_heads, "silent": _silence, "continues": _continue_for_ever}

REFUSED: dict[str, tuple[Page, str]] = {
    "says-it-is-too-large": (answer(b"x", length=10**12), "more than 4096 bytes"),
    "says-nothing-and-is-too-large": (answer(b"x" * 5000, Content_Length=""), "more than 4096 bytes"),
    "endless": (_endless, "more than 4096 bytes"),
    "a-page": (answer(b"<html>", Content_Type="text/html"), "does not call it"),
    "no-type": (answer(Content_Type=""), "does not call it"),
    "a-vector-picture": (answer(b"<svg/>", Content_Type="image/svg+xml"), "does not call it"),
    "a-tiff": (answer(Content_Type="image/tiff"), "does not call it"),
    "gzip": (answer(gzip.compress(bytes(1_000_000)), Content_Encoding="gzip"), "compressed"),
    "deflate": (answer(b"x", Content_Encoding="deflate"), "compressed"),
    "brotli": (answer(b"x", Content_Encoding="br"), "compressed"),
    "twice-gzip": (answer(b"x", Content_Encoding="gzip, gzip"), "compressed"),
    "empty": (answer(b""), "is empty"),
    "not-found": (answer(b"no", "404 Not Found"), "status 404"),
    "forbidden": (answer(b"no", "403 Forbidden"), "status 403"),
    "part-of-it": (answer(b"x", "206 Partial Content"), "status 206"),
    "no-content": (answer(b"", "204 No Content"), "status 204"),
    "redirect-to-nowhere": (answer(b"", "302 Found"), "status 302"),
}

LATER: dict[str, Page] = {
    "broken": answer(b"no", "500 Internal Server Error"),
    "away": answer(b"no", "503 Service Unavailable"),
    "busy": answer(b"no", "429 Too Many Requests"),
    "no-http": b"220 mail.example ESMTP\r\n",
    "two-lengths": answer(Content_Length="4\r\nContent-Length: 5"),
    "negative-length": answer(Content_Length="-1"),
    "cut-off": _hang_up,
    "closes-at-once": b"",
    "head-without-end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    "a-thousand-heads": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


class TestLimits:
    @pytest.mark.parametrize("name", REFUSED)
    async def test_what_is_no_picture_for_us_is_the_jobs_own_fault(self, name: str) -> None:
        page, why = REFUSED[name]
        with pytest.raises(PictureRefused, match=why):
            await fetched({"/x.png": page}, max_bytes=4096)

    @pytest.mark.parametrize("name", LATER)
    async def test_a_server_that_fails_may_do_better_later(self, name: str) -> None:
        with pytest.raises(PictureUnavailable, match=r"^its host"):
            await fetched({"/x.png": LATER[name]})

    @pytest.mark.parametrize("name", NOT_TIMELY)
    async def test_the_whole_of_it_has_a_time_limit_however_busy_the_server_is(self, name: str) -> None:
        began = time.monotonic()
        with pytest.raises(PictureUnavailable, match=r"within 0\.3 s"):
            await fetched({"/x.png": NOT_TIMELY[name]}, timeout_s=0.3)
        assert time.monotonic() - began < 10

    async def test_a_picture_of_exactly_the_size_allowed_is_taken(self) -> None:
        assert len(await fetched({"/x.png": answer(bytes(4096))}, max_bytes=4096)) == 4096
        with pytest.raises(PictureRefused):
            await fetched({"/x.png": answer(bytes(4097))}, max_bytes=4096)

    async def test_a_picture_without_a_length_is_taken(self) -> None:
        assert await fetched({"/x.png": answer(Content_Length="")}) == PICTURE

    async def test_only_so_many_are_fetched_at_once(self) -> None:
        open_now, most = 0, 0

        async def slowly(writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            await asyncio.sleep(0.02)
            writer.write(answer())
            open_now -= 1

        async with site({"/x.png": slowly}) as one:
            many = fetcher(one.port)
            await asyncio.gather(*(many.fetch(f"http://127.0.0.1:{one.port}/x.png") for _ in range(30)))
        assert most <= 8

    async def test_no_cookie_no_referrer_and_no_connection_lives_on(self) -> None:
        pages: dict[str, Page] = {"/a": answer(b"", "302 Found", Location="/b", Set_Cookie="a=b"), "/b": answer()}
        async with site(pages) as one:
            same = fetcher(one.port)
            await same.fetch(f"http://127.0.0.1:{one.port}/a")
            await same.fetch(f"http://127.0.0.1:{one.port}/b")
        assert one.connections == 3
        heads = "".join(one.requests).lower()
        assert not [name for name in ("cookie", "referer", "authorization", "x-forwarded") if name in heads]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTls:
    def server(self, authority: trustme.CA, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        return context

    def trusting(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    async def get(self, authority: trustme.CA, certified: str, tls: ssl.SSLContext | None) -> bytes:
        async with site(tls=self.server(authority, certified)) as one:
            table = Table({"good.example": [["127.0.0.1"]]})
            return await fetcher(one.port, names=table, tls=tls, http=False).fetch(f"https://good.example:{one.port}/")

    async def test_a_pinned_address_is_held_to_the_certificate_of_the_name(self, authority: trustme.CA) -> None:
        assert await self.get(authority, "good.example", self.trusting(authority)) == PICTURE

    @pytest.mark.parametrize("certified", ["evil.example", "127.0.0.1"])
    async def test_a_certificate_of_another_name_is_refused(self, authority: trustme.CA, certified: str) -> None:
        with pytest.raises(PictureRefused, match="certificate"):
            await self.get(authority, certified, self.trusting(authority))

    async def test_a_certificate_of_nobody_we_trust_is_refused(self, authority: trustme.CA) -> None:
        with pytest.raises(PictureRefused, match="certificate"):
            await self.get(authority, "good.example", None)
