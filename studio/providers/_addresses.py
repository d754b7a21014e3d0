"""Which machines a download may reach: judged by address, after DNS, and connected to by that same address.

A name may resolve to another address a moment later, and a redirect may lead anywhere. Connections are therefore made
by `GuardedNetwork`, below HTTP and TLS: it resolves, judges every address, and connects to one of those it judged. TLS
and the Host header go on with the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

from studio.errors import AddressRefused, ProviderUnavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Addresses of a host as texts; raises OSError when it has none."""

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_RELAYS = IPv4Network("192.88.99.0/24")
"""Anycast of 6to4 relays (RFC 7526): no host of files."""
_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out as global unicast (RFC 4291)."""
_TUNNELS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
"""Teredo and 6to4: addresses that lead to an IPv4 address written inside, of no host of files."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 as a network without IPv4 writes it (RFC 6052): as good as the address inside."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet's: not private, local, reserved, multicast, or any way around that."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved and address not in _RELAYS
    if (inside := address.ipv4_mapped) is not None:
        return is_public(inside)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    unicast = address in _UNICAST and not any(address in tunnel for tunnel in _TUNNELS)
    return unicast and address.is_global and not address.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, as the system resolves it: decimal, octal and hexadecimal spellings, too."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to those of `also`; to nothing else, and never to this machine's own.

    Args:
        also: networks that are allowed although they are not public.
        public: False leaves only `also`.
    """

    def __init__(self, also: Iterable[Network] = (), *, public: bool = True, resolve: Resolve = resolve) -> None:
        self._also = tuple(also)
        self._public = public
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its name is that of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the host's addresses, if all of them are allowed.

        Raises:
            AddressRefused: one of them is not.
            ProviderUnavailable: it has none.
        """
        failure: Exception | None = None
        for address in await self._checked(host, port):
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        """Never: nothing is downloaded from this machine's own sockets."""
        raise AddressRefused("Files are not fetched from sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait; asked for by httpcore."""
        await self._network.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[Address]:
        try:
            found = [ip_address(one) for one in dict.fromkeys(await self._resolve(host, port))]
        except (OSError, ValueError):  # UnicodeError is a ValueError: no host has such a name
            raise ProviderUnavailable(f"The file's host {host[:100]} cannot be found") from None
        for address in found:
            if not self._allows(address, port):
                raise AddressRefused(f"The file's host {host[:100]} is at {address}, which is not on the internet")
        if not found:
            raise ProviderUnavailable(f"The file's host {host[:100]} has no address")
        return found

    def _allows(self, address: Address, port: int) -> bool:
        if any(address.version == network.version and address in network for network in self._also):
            return True
        return self._public and is_public(address) and not _is_own(address, port)


def _is_own(address: Address, port: int) -> bool:
    """Whether this machine has the address itself. Nothing is sent: the system only says where it would send from."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), port))
        except OSError:
            return False  # no way there: connecting will say so
        return str(ip_address(str(probe.getsockname()[0]))) == str(address)
