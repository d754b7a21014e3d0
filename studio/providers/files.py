"""Files at addresses that providers give us: the one downloader of everything that is fetched.

An address may come from a provider's answer, a callback or a redirect, so it counts as hostile: it may lead into our
own network, never end, unpack to a thousand times its size, or trickle for ever.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpcore
import httpx

from studio.disk import in_work_folder
from studio.errors import (
    AddressRefused,
    DownloadBroken,
    LinkExpired,
    NotAVideo,
    ProviderUnavailable,
)
from studio.providers import _http
from studio.providers._addresses import LOOPBACK, GuardedNetwork, Network, Resolve, resolve
from studio.providers._foreign import quote

QUOTED = 200
"""Bytes of an answer that is no video which are quoted."""
PORTS = (443, 8443)
"""Ports of hosts on the internet that files are fetched from."""

_GONE = (401, 403, 404, 410)
_MOVED = (301, 302, 303, 307, 308)
_HEAD = 12
"""Bytes that tell a video from anything else."""
_MP4_ATOMS = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp")
_EBML = b"\x1a\x45\xdf\xa3"
_LOOKED_AT = 1 << 16
"""Bytes of an answer that is no video which are read, to tell whether it is the same one again."""


@dataclass(frozen=True)
class DownloadLimits:
    """What a download may take at most."""

    most_bytes: int = 1 << 30
    seconds: float = 600
    """For all of it: name, connection, redirects and body."""
    least_bytes: int = 1 << 18
    """So many bytes have to come in every `window`: 8 KiB/s is too slow for any clip within ten minutes anyway."""
    window: float = 30
    redirects: int = 3
    connect_seconds: float = 10


@dataclass(frozen=True)
class Downloaded:
    """A file that came whole, as far as HTTP can tell."""

    size: int
    sha256: str


@asynccontextmanager
async def open_files(
    *, rehearsal: Iterable[Network] = (), limits: DownloadLimits | None = None, resolver: Resolve = resolve
) -> AsyncIterator["FileClient"]:
    """A downloader for as long as the block lasts.

    Args:
        rehearsal: networks that files may be fetched from by plain HTTP, and from any port, although they are not on
            the internet: `LOOPBACK` where the providers are simulated.
    """
    networks = tuple(rehearsal)
    context = _http.tls()
    async with (
        httpcore.AsyncConnectionPool(context, network_backend=GuardedNetwork(networks, resolve=resolver)) as secure,
        httpcore.AsyncConnectionPool(network_backend=GuardedNetwork(networks, public=False, resolve=resolver)) as plain,
    ):
        yield FileClient(secure, plain if networks else None, limits or DownloadLimits())


class FileClient:
    """Downloads videos. Its requests carry no credentials, no cookies, and go through no proxy of the environment."""

    def __init__(
        self, secure: httpcore.AsyncConnectionPool, plain: httpcore.AsyncConnectionPool | None, limits: DownloadLimits
    ) -> None:
        self._secure = secure
        self._plain = plain
        self._limits = limits

    async def download(self, url: str, target: Path) -> Downloaded:
        """Write the video at `url` to `target`.

        Raises:
            LinkExpired: the address is forbidden, gone or none.
            AddressRefused: the address, or one it redirects to, is not on the internet, or not HTTPS.
            DownloadBroken: fewer bytes came than were promised, too many, too slowly, encoded, or the line broke.
            NotAVideo: what came is nothing that begins as an MP4 or WebM does. None of it is written.
            ProviderUnavailable: the host is down or unreachable.
            WorkFolderFull: there is no space left for it.
        """
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._follow(url, target)
        except TimeoutError:
            raise DownloadBroken(f"The download was not done after {self._limits.seconds:g} s") from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            raise ProviderUnavailable(f"The file's host cannot be reached ({type(error).__name__})") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise DownloadBroken(f"The download broke off ({type(error).__name__})") from None

    async def _follow(self, url: str, target: Path) -> Downloaded:
        place = _parsed(url)
        for _ in range(self._limits.redirects + 1):
            async with self._answer(place) as answer:
                headers = _headers(answer)
                if answer.status not in _MOVED or "location" not in headers:
                    return await self._taken(answer, headers, target)
                place = _parsed(headers["location"], base=place)
        raise DownloadBroken(f"The file's address redirects more than {self._limits.redirects} times")

    @asynccontextmanager
    async def _answer(self, place: httpx.URL) -> AsyncIterator[httpcore.Response]:
        pool = self._pool_for(place)
        address = httpcore.URL(scheme=place.raw_scheme, host=place.raw_host, port=place.port, target=place.raw_path)
        limits = self._limits
        waits = {"connect": limits.connect_seconds, "read": limits.window, "write": 10.0, "pool": limits.seconds}
        headers = [
            (b"Host", place.netloc),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"longtake"),
        ]
        async with pool.stream("GET", address, headers=headers, extensions={"timeout": waits}) as answer:
            yield answer

    def _pool_for(self, place: httpx.URL) -> httpcore.AsyncConnectionPool:
        if place.userinfo:
            raise AddressRefused("The file's address has a user name or a password in it")
        if place.scheme == "https":
            if self._plain is None and place.port not in (None, *PORTS):
                raise AddressRefused(f"The file's address names port {place.port}; files come from port 443")
            return self._secure
        if place.scheme == "http" and self._plain is not None:
            return self._plain
        raise AddressRefused(f"The file's address begins with {place.scheme[:20]}://, not with https://")

    async def _taken(self, answer: httpcore.Response, headers: dict[str, str], target: Path) -> Downloaded:
        if answer.status in _GONE:
            raise LinkExpired(f"The file's address answers {answer.status}")
        if not 200 <= answer.status < 300:
            wait = _http.retry_after(httpx.Response(answer.status, headers=answer.headers))
            raise ProviderUnavailable(f"The file's host answered {answer.status}", retry_after=wait)
        if (encoding := headers.get("content-encoding", "identity").strip().lower()) not in ("", "identity"):
            raise DownloadBroken(f"The file comes encoded as {quote(encoding, most=40)}, which was not asked for")
        promised = headers.get("content-length", "")
        if promised.isdecimal() and int(promised[:20]) > self._limits.most_bytes:
            raise DownloadBroken(f"The file has {promised[:20]} bytes; {self._limits.most_bytes} are taken at most")
        return await self._written(self._steady(answer), target)

    async def _written(self, chunks: AsyncIterator[bytes], target: Path) -> Downloaded:
        head = b""
        async for chunk in chunks:
            head += chunk
            if len(head) >= _HEAD:
                break
        if not begins_as_video(head):
            raise await _no_video(head, chunks)
        seen, size = hashlib.sha256(), 0
        with in_work_folder(), target.open("wb") as file:
            size += _add(head, seen, file)
            async for chunk in chunks:
                size += _add(chunk, seen, file)
                if size > self._limits.most_bytes:
                    raise DownloadBroken(f"More than {self._limits.most_bytes} bytes came")
        return Downloaded(size, seen.hexdigest())

    async def _steady(self, answer: httpcore.Response) -> AsyncIterator[bytes]:
        """The body, refused as soon as it comes too slowly."""
        began, came = time.monotonic(), 0
        async for chunk in answer.aiter_stream():
            yield chunk
            came += len(chunk)
            if (taken := time.monotonic() - began) >= self._limits.window:
                if came < self._limits.least_bytes:
                    raise DownloadBroken(f"The download is too slow: {came} bytes in {taken:.0f} s")
                began, came = time.monotonic(), 0


def begins_as_video(head: bytes) -> bool:
    """Whether a file with these first bytes (12 are enough) claims to be an MP4 or a WebM."""
    return head[4:8] in _MP4_ATOMS or head[:4] == _EBML


def _parsed(url: str, *, base: httpx.URL | None = None) -> httpx.URL:
    try:
        place = httpx.URL(url) if base is None else base.join(url)
        named = bool(place.raw_host)
    except (httpx.InvalidURL, ValueError):  # ValueError: of the library's own, for some ports and names
        named = False
    if not named:
        raise LinkExpired("The file's address is none")
    return place


def _headers(answer: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}


def _add(chunk: bytes, seen: "hashlib._Hash", file: BinaryIO) -> int:
    seen.update(chunk)
    return file.write(chunk)


async def _no_video(head: bytes, chunks: AsyncIterator[bytes]) -> NotAVideo:
    async for chunk in chunks:
        head += chunk
        if len(head) >= _LOOKED_AT:
            break
    words = quote(head[:QUOTED].decode("utf-8", errors="replace"), most=QUOTED)
    other = NotAVideo(f"No video came, but: {words}" if head else "The file is empty")
    other.sha256 = hashlib.sha256(head[:_LOOKED_AT]).hexdigest()
    return other


__all__ = ["LOOPBACK", "DownloadLimits", "Downloaded", "FileClient", "begins_as_video", "open_files"]
