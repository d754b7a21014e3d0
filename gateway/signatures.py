"""KIE.ai's signatures on callbacks.

They cover the task id and the time, not the rest of the body: a good one says who calls, not that what he says about
the task is true.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import timedelta

TIMESTAMP_HEADER = "X-Webhook-Timestamp"
SIGNATURE_HEADER = "X-Webhook-Signature"
SKEW = timedelta(minutes=5)
"""How far a timestamp may be from our clock, on either side."""


class SignatureRefused(Exception):
    """A callback is not signed as our key would have it. The message says why."""


def signature(key: str, task_id: str, timestamp: str) -> str:
    """What KIE.ai puts into the signature header."""
    digest = hmac.new(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class SignatureCheck:
    """Tells KIE.ai's callbacks from everybody else's."""

    def __init__(self, key: str) -> None:
        self._key = key

    def check(self, task_id: str, headers: Mapping[str, str]) -> None:
        """Look at the two headers of a callback.

        Raises:
            SignatureRefused: they are missing, too old, or not made with our key.
        """
        timestamp, given = headers.get(TIMESTAMP_HEADER), headers.get(SIGNATURE_HEADER)
        if timestamp is None or given is None:
            raise SignatureRefused(f"{TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are needed.")
        if not hmac.compare_digest(signature(self._key, task_id, timestamp).encode(), given.encode()):
            raise SignatureRefused("The signature does not fit.")
        if not _recent(timestamp):
            raise SignatureRefused("The timestamp is too far from now.")


def _recent(timestamp: str) -> bool:
    """Unix seconds; the length keeps a number that no clock shows from being computed with."""
    plain = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12
    return plain and abs(time.time() - int(timestamp)) <= SKEW.total_seconds()
