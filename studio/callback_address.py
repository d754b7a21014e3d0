"""The address at which a provider calls back about one order, authenticated by us.

A provider's own signature covers the task id and a time, not the address: seen once, it can be replayed on every other
order. Therefore the address carries a message authentication code (HMAC-SHA256, RFC 2104) over provider, channel,
video, clip and order. Workers that order and the gateway share the secret it is derived from (`CALLBACK_SECRET`).
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlencode

_PURPOSE = b"longtake callback address v1"
"""What the key is derived for: the same secret used elsewhere gives another key."""

LEAST_SECRET = 16
"""Shortest secret in characters; 32 random bytes in hexadecimal are right."""


@dataclass(frozen=True)
class CallbackSubject:
    """Which order an address is about."""

    provider: str
    order_id: str
    channel: str
    video_id: str
    number: int


class CallbackSigner:
    """Makes and checks the code in an address."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()

    def code(self, subject: CallbackSubject) -> str:
        """The code for this order, in lower-case hexadecimal."""
        parts = (subject.provider, subject.order_id, subject.channel, subject.video_id, str(subject.number))
        # Every part with its length: no two subjects give the same message.
        message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def fits(self, subject: CallbackSubject, code: str) -> bool:
        """Whether this code was made by us for this order. Takes the same time for every wrong one."""
        return hmac.compare_digest(self.code(subject).encode(), code.encode("utf-8", "replace"))


@dataclass(frozen=True)
class CallbackAddresses:
    """The addresses told to a provider: `base` is where the world reaches the gateway, without a slash at the end."""

    base: str
    signer: CallbackSigner | None = None

    def of(self, subject: CallbackSubject) -> str:
        """Where the provider calls back about this order. The order's id is the last part of the path."""
        query = {"channel": subject.channel, "video": subject.video_id, "clip": str(subject.number)}
        if self.signer is not None:
            query["signature"] = self.signer.code(subject)
        return f"{self.base}/callbacks/{subject.provider}/{subject.order_id}?{urlencode(query)}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. Other names than localhost are not resolved: they count as public."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
