"""Addresses that lead elsewhere and hosts that mean harm, over real sockets: nothing is asked where nothing may be."""

import asyncio
import gzip
import re
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpcore
import pytest

from local.stack import ROOT
from studio.errors import AddressRefused, DownloadBroken, LinkExpired, NotAVideo, ProviderUnavailable, StudioError
from studio.providers._addresses import GuardedNetwork, is_public
from studio.providers.files import LOOPBACK, DownloadLimits, FileClient, open_files

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(2_000)
TRUSTED = (ip_network("127.0.0.1/32"),)
"""Stands for the internet: the rest of loopback is as forbidden as it is in production."""
CERTIFICATE = Path(__file__).parent / "samples" / "files.example.pem"

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


class Host:
    """A server that writes whatever bytes it likes, and counts who comes."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self._answer = answer
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(request)
                await self._answer(request.split()[1], writer)
                await writer.drain()
        writer.close()

    def hang_up(self) -> None:
        for writer in self._open:
            writer.close()


@asynccontextmanager
async def host(answer: Answer, *, at: str = "127.0.0.1", tls: bool = False) -> AsyncIterator[tuple[Host, int]]:
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    there = Host(answer)
    server = await asyncio.start_server(there.serve, at, 0, ssl=context)
    try:
        yield there, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        there.hang_up()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def always(content: bytes) -> Answer:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return answer


def redirects(places: dict[str, str]) -> Answer:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        place = places.get(path)
        writer.write(whole(VIDEO) if place is None else whole(b"", f"Location: {place}", status="302 Found"))

    return answer


async def failure(files: FileClient, url: str, folder: Path) -> StudioError:
    with pytest.raises(StudioError) as failed:
        await files.download(url, folder / "clip.mp4")
    return failed.value


async def test_only_public_addresses_are_the_internet() -> None:
    public = "1.1.1.1 8.8.8.8 93.184.215.14 2606:2800:21f:cb07:6820:80da:af6b:8b2c 64:ff9b::808:808 ::ffff:8.8.8.8"
    private = """
        127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
        100.64.0.1 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
        255.255.255.255 192.88.99.1 ::1 :: ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1
        ::8.8.8.8 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2002:808:808:: 2001::1 2001:db8::1
        fe80::1 fe80::1%eth0 fc00::1 fd12:3456::1 fec0::1 ff02::1 ff0e::1 100::1 4000::1 5f00::1
    """
    assert [one for one in public.split() if not is_public(ip_address(one))] == []
    assert [one for one in private.split() if is_public(ip_address(one))] == []


async def test_no_spelling_of_this_machine_or_its_networks_is_asked_for_anything(tmp_path: Path) -> None:
    """Whoever is asked is asked by the checked address, so how the host is written does not matter."""
    spellings = """
        127.0.0.1 localhost LOCALHOST localhost. 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001
        0 0.0.0.0 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [64:ff9b::7f00:1]
        [2002:7f00:1::] 127.0.0.2 169.254.169.254 10.0.0.1 192.168.0.1 [fd00:ec2::254] [fe80::1]
        100.100.100.200 224.0.0.1
    """
    async with host(always(whole(VIDEO))) as (server, port), open_files() as strict:
        for spelling in spellings.split():
            for address in (f"https://{spelling}/clip.mp4", f"https://{spelling}:8443/clip.mp4"):
                refused = await failure(strict, address, tmp_path)
                assert isinstance(refused, (AddressRefused, ProviderUnavailable, LinkExpired)), address
                assert type(refused) is not ProviderUnavailable or "cannot be found" in str(refused), address
        for scheme in ("http", "ftp", "file", "gopher", "data"):
            assert isinstance(await failure(strict, f"{scheme}://127.0.0.1:{port}/clip.mp4", tmp_path), LinkExpired)
    assert server.connections == 0


async def test_addresses_with_passwords_or_odd_ports_are_refused_and_not_repeated(tmp_path: Path) -> None:
    async with open_files() as strict:
        for address in ("https://user:hunter2@1.1.1.1/", "https://hunter2@1.1.1.1/", "https://1.1.1.1:22/"):
            refused = await failure(strict, address, tmp_path)
            assert type(refused) is AddressRefused and "hunter2" not in str(refused)
        for address in (
            "",
            "https://",
            "https:///x",
            "//1.1.1.1/x",
            "https://[::1/x",
            "https://1.1.1.1:99999/x",
            "x" * 9_000,
        ):
            assert isinstance(await failure(strict, address, tmp_path), LinkExpired), address[:40]


async def test_a_redirect_leads_nowhere_else_either(tmp_path: Path) -> None:
    """From an allowed host to every kind of other place; the last one is a real server that counts who comes."""
    async with host(always(whole(VIDEO)), at="127.0.0.2") as (inside, port):
        places = [
            f"http://127.0.0.2:{port}/latest/meta-data",
            f"https://127.0.0.2:{port}/",
            f"//127.0.0.2:{port}/x",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:127.0.0.2]/",
            "http://0.0.0.0/",
            "http://10.0.0.1:8080/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/x",
            f"http://user:pass@127.0.0.1:{port}/",
        ]
        rules = {f"/{number}": place for number, place in enumerate(places)} | {"/far": "/0"}
        async with host(redirects(rules)) as (_, trusted), open_files(rehearsal=TRUSTED) as files:
            for path in rules:
                refused = await failure(files, f"http://127.0.0.1:{trusted}{path}", tmp_path)
                assert isinstance(refused, LinkExpired if "file:" in rules[path] else AddressRefused), rules[path]
        assert inside.connections == 0
    assert not (tmp_path / "clip.mp4").exists()


async def test_three_redirects_are_followed_and_no_more(tmp_path: Path) -> None:
    rules = {"/4": "/3", "/3": "2", "/2": "/x/../1", "/1": "/0", "/loop": "/loop"}
    async with host(redirects(rules)) as (server, port), open_files(rehearsal=TRUSTED) as files:
        assert (await files.download(f"http://127.0.0.1:{port}/3", tmp_path / "clip.mp4")).size == len(VIDEO)
        for path in ("/4", "/loop"):
            server.requests.clear()
            assert type(await failure(files, f"http://127.0.0.1:{port}{path}", tmp_path)) is DownloadBroken
            assert len(server.requests) == 4


async def test_a_name_counts_as_what_it_resolves_to_at_that_moment(tmp_path: Path) -> None:
    """Rebinding: the address that was checked is the one that is connected to, and a mixed answer is refused."""
    answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["8.8.8.8", "10.0.0.1"], []]
    given: list[str] = []

    async def resolver(name: str, port: int) -> list[str]:
        given.append(name)
        return answers[len(given) - 1]

    once = whole(VIDEO, "Connection: close")
    async with (
        host(always(once)) as (outside, port),
        host(always(once), at="127.0.0.2") as (inside, _),
        open_files(rehearsal=TRUSTED, resolver=resolver) as files,
    ):
        url = f"http://files.example:{port}/clip.mp4"
        await files.download(url, tmp_path / "clip.mp4")
        for _ in range(3):
            assert type(await failure(files, url, tmp_path)) is AddressRefused
        assert type(await failure(files, url, tmp_path)) is ProviderUnavailable
    assert (outside.connections, inside.connections) == (1, 0)
    assert given == ["files.example"] * 5
    assert f"Host: files.example:{port}" in outside.requests[0]


async def test_tls_goes_on_with_the_name_although_the_address_is_pinned(tmp_path: Path) -> None:
    async def resolver(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    context = ssl.create_default_context(cafile=CERTIFICATE)
    network = GuardedNetwork(TRUSTED, resolve=resolver)
    async with (
        host(always(whole(VIDEO)), tls=True) as (server, port),
        httpcore.AsyncConnectionPool(context, network_backend=network) as pool,
    ):
        files = FileClient(pool, pool, DownloadLimits())
        assert (await files.download(f"https://files.example:{port}/c", tmp_path / "clip.mp4")).size == len(VIDEO)
        assert type(await failure(files, f"https://other.example:{port}/c", tmp_path)) is ProviderUnavailable
    assert len(server.requests) == 1


async def test_hosts_that_send_too_much_too_slowly_or_packed_are_left(tmp_path: Path) -> None:
    """Each within its limit, which is small here; what is counted is bytes, never the machine's own speed."""
    head = b"HTTP/1.1 200 OK\r\n"

    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"Content-Type: video/mp4\r\n\r\n" + VIDEO)
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()

    async def drip(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"\r\n" + VIDEO)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def slow_head(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"X-More: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    packed = gzip.compress(VIDEO + bytes(50 << 20))
    limits = DownloadLimits(most_bytes=1 << 20, seconds=60, window=0.3, least_bytes=1 << 16)
    short = DownloadLimits(most_bytes=1 << 20, seconds=0.5, window=30)
    cases: list[tuple[str, Answer, DownloadLimits, str]] = [
        ("endless", endless, limits, "More than 1048576 bytes"),
        ("promised", always(head + b"Content-Length: 99999999999\r\n\r\n" + VIDEO), limits, "99999999999 bytes"),
        ("drip", drip, limits, "too slow"),
        ("drip for ever", drip, short, "not done after 0.5 s"),
        ("slow head", slow_head, short, "not done after 0.5 s|broke off"),
        ("gzip", always(whole(packed, "Content-Encoding: gzip")), limits, "encoded as gzip"),
        ("br", always(whole(packed, "Content-Encoding: br")), limits, "encoded as br"),
        (
            "short",
            always(head + b"Content-Length: 9999\r\nConnection: close\r\n\r\n" + VIDEO),
            short,
            "broke off|not done",
        ),
        ("no http", always(b"220 mail.example ESMTP\r\n" * 3), limits, "broke off"),
    ]
    for name, answer, limit, words in cases:
        async with host(answer) as (_, port), open_files(rehearsal=TRUSTED, limits=limit) as files:
            broken = await failure(files, f"http://127.0.0.1:{port}/", tmp_path)
            assert type(broken) is DownloadBroken and re.search(words, str(broken)), (name, str(broken))


async def test_what_is_no_video_is_never_written_whatever_its_name_and_type_say(tmp_path: Path) -> None:
    contents = {
        b"ami-id\nsecurity-credentials/\x1b[31m\x00\xe2\x80\xae": "ami-id security-credentials/[31m",
        b"\x89PNG\r\n\x1a\n" + bytes(900): "PNG",
        b"#EXTM3U\nhttp://169.254.169.254/": "#EXTM3U http://169.254.169.254/",
        b"A" * 100_000: "A" * 150,
        b"short": "short",
    }
    for content, words in contents.items():
        async with (
            host(always(whole(content, "Content-Type: video/mp4"))) as (_, port),
            open_files(rehearsal=TRUSTED) as files,
        ):
            other = await failure(files, f"http://127.0.0.1:{port}/clip.mp4", tmp_path)
        assert type(other) is NotAVideo and words in str(other)
        assert len(str(other)) < 260 and not re.search("[\x00-\x1f\x7f-\x9f\u202e]", str(other))
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_nothing_of_the_environment_travels_or_leads_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:9")
    async with host(always(whole(VIDEO, "Set-Cookie: a=b"))) as (server, port), open_files(rehearsal=LOOPBACK) as files:
        for _ in range(2):
            await files.download(f"http://127.0.0.1:{port}/clip.mp4?signature=1#part", tmp_path / "clip.mp4")
    names = {line.split(":")[0].lower() for request in server.requests for line in request.splitlines()[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}
    assert server.requests[0].startswith("GET /clip.mp4?signature=1 HTTP/1.1") and "identity" in server.requests[0]


_WITH_A_PUBLIC_ADDRESS_OF_ITS_OWN = """
import asyncio, fcntl, socket, struct, sys
from studio.providers._addresses import GuardedNetwork

def interface(number, value):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, number, struct.pack("16s24s", b"lo", value))

interface(0x8916, struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(sys.argv[1])))  # SIOCSIFADDR
interface(0x8914, struct.pack("h", 1))  # SIOCSIFFLAGS: IFF_UP

async def connect(address):
    async def there(name, port):
        return [address]
    try:
        await GuardedNetwork(resolve=there).connect_tcp("files.example", 443, timeout=1)
    except Exception as error:
        print(type(error).__name__)

for address in sys.argv[1:]:
    asyncio.run(connect(address))
"""
"""Run in a network of its own, in which the machine has the first of these addresses and no way to the others."""


async def test_an_address_on_the_internet_that_is_this_machines_own_is_refused() -> None:
    """A worker on a machine with a public address would reach its own services by it."""
    own, another = "93.184.215.14", "198.41.0.4"
    argv = ["unshare", "--user", "--map-root-user", "--net"]
    argv += [sys.executable, "-c", _WITH_A_PUBLIC_ADDRESS_OF_ITS_OWN, own, another]
    child = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    output, complaint = await child.communicate()
    if b"unshare" in complaint:
        pytest.skip("this machine has no user namespaces")
    assert (output.decode().split(), complaint) == (["AddressRefused", "ConnectError"], b"")
