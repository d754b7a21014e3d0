"""Finished clips that do not arrive: what a result host and everything before it make of a download."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace

from simulators.faults import Fault, Kind
from simulators.kie.wire_variants import DRIP_SECONDS, STALL_SECONDS, in_bytes, on_the_wire, pages
from simulators.variants import Changed, Variant, unchanged
from simulators.wire import Answer

PRIVATE = "http://169.254.169.254/latest/meta-data/"
"""Where a redirect must not lead: the address at which clouds hand out credentials."""


def whole(answer: Answer) -> bool:
    """The whole file, and not an answer to a look at its head."""
    return answer.code is None and answer.status == 200 and answer.content_type == "video/mp4" and len(answer.body) > 64


def _said(status: int, text: str, kind: str) -> Callable[[Answer], Changed]:
    return lambda answer: unchanged(Answer(text.encode(), status, kind))


def _redirected(answer: Answer) -> Changed:
    return unchanged(Answer(b"", 302, "text/plain", {"Location": PRIVATE}))


def _damaged(body: bytes) -> bytes:
    """A hole in the middle: as long as it was, and not to be decoded."""
    start, end = len(body) * 2 // 5, len(body) * 3 // 5
    return body[:start] + b"\xa5" * (end - start) + body[end:]


def _compressed(answer: Answer) -> Changed:
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return unchanged(replace(answer, body=gzip.compress(answer.body, mtime=0), headers=headers))


_ERROR = json.dumps({"code": 500, "msg": "Internal error", "data": None})
_DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'

DOWNLOADS: tuple[Variant, ...] = (
    Variant("empty", in_bytes(lambda body: b""), whole),
    Variant("json", _said(200, _ERROR, "application/json"), whole),
    Variant("json_as_video", _said(200, _ERROR, "video/mp4"), whole),
    Variant("cut_off", on_the_wire(Fault(kind=Kind.TRUNCATED_BODY)), whole),
    Variant("cut_off_in_silence", in_bytes(lambda body: body[: len(body) * 3 // 4]), whole),
    Variant("damaged_in_the_middle", in_bytes(_damaged), whole),
    Variant("longer_than_promised", on_the_wire(Fault(kind=Kind.WRONG_LENGTH, length=-512)), whole),
    Variant("shorter_than_promised", on_the_wire(Fault(kind=Kind.WRONG_LENGTH, length=512)), whole),
    Variant("compressed", _compressed, whole),
    Variant("compressed_in_silence", in_bytes(lambda body: gzip.compress(body, mtime=0)), whole),
    Variant("redirect_to_private", _redirected, whole),
    Variant("expired_403", _said(403, _DENIED, "application/xml"), whole),
    Variant("gone_404", _said(404, "Not Found", "text/plain"), whole),
    Variant("busy_503", _said(503, "Slow Down", "text/plain"), whole),
    Variant("drip", on_the_wire(Fault(kind=Kind.SLOW_BODY, seconds=DRIP_SECONDS)), whole),
    Variant("stall", on_the_wire(Fault(kind=Kind.SLOW_HEADERS, seconds=STALL_SECONDS)), whole),
    Variant("reset", on_the_wire(Fault(kind=Kind.RESET, after=True)), whole),
    *pages(),
)
