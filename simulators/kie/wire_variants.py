"""What a proxy, a CDN or the wire makes of any answer of KIE.ai's."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from simulators.faults import Fault, Kind
from simulators.variants import Changed, Variant, any_answer, unchanged
from simulators.wire import Answer

PAGE_STATUSES = (200, 400, 403, 404, 409, 413, 502, 504)
"""With these a proxy answers with a page of its own, whatever the service behind it did."""

HUGE = 6 * 1024 * 1024
"""Bytes: more than any answer of KIE.ai's has a reason to be."""
STALL_SECONDS = 26.0
"""Longer than a worker may be silent, shorter than a client waits."""
DRIP_SECONDS = 30.0
"""Every piece comes in time, the whole does not."""

_PAGE = (
    '<!DOCTYPE html>\n<html lang="en"><head><title>{status} {title}</title></head>\n'
    "<body><center><h1>{status} {title}</h1></center><hr><center>nginx/1.25.3</center></body></html>\n"
)
_TITLES = {
    200: "Just a moment...",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    502: "Bad Gateway",
    504: "Gateway Time-out",
}

Change = Callable[[dict[str, Any]], Any]


@lru_cache(maxsize=64)
def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def envelope(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; empty when it has none. A copy: it may be changed."""
    held: dict[str, Any] = json.loads(json.dumps(_object(answer.body)))
    return held


def data_of(answer: Answer) -> dict[str, Any]:
    """The `data` of an answer, to look at only."""
    data = _object(answer.body).get("data")
    return data if isinstance(data, dict) else {}


def as_text(value: Any) -> bytes:
    """JSON as some services write it: NaN and Infinity as bare words."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=True).encode("utf-8", "surrogatepass")


def in_envelope(change: Change) -> Callable[[Answer], Changed]:
    """A variant that changes the envelope; what `change` returns is the whole body."""
    return lambda answer: unchanged(replace(answer, body=as_text(change(envelope(answer)))))


def in_data(change: Change) -> Callable[[Answer], Changed]:
    """A variant that changes `data`; what `change` returns takes its place."""

    def changed(held: dict[str, Any]) -> dict[str, Any]:
        return {**held, "data": change(held["data"])}

    return in_envelope(changed)


def in_bytes(change: Callable[[bytes], bytes]) -> Callable[[Answer], Changed]:
    """A variant that changes the body as it is on the wire."""
    return lambda answer: unchanged(replace(answer, body=change(answer.body)))


def on_the_wire(fault: Fault) -> Callable[[Answer], Changed]:
    """The true answer, spoiled on its way."""
    return lambda answer: (answer, fault)


def page(status: int) -> Callable[[Answer], Changed]:
    """A proxy's page instead of the answer."""
    body = _PAGE.format(status=status, title=_TITLES[status]).encode()
    return lambda answer: unchanged(Answer(body, status, "text/html", {"Server": "nginx/1.25.3"}))


def pages(*, acts: bool = True) -> tuple[Variant, ...]:
    """A page of every status. `acts`: the service behind the proxy has done what it was asked to."""
    when = "" if acts else "_before"
    return tuple(Variant(f"page_{status}{when}", page(status), acts=acts) for status in PAGE_STATUSES)


def _padded(body: bytes) -> bytes:
    held = _object(body)
    return as_text({**held, "debug": "x" * HUGE})


def spoiled(fits: Callable[[Answer], bool] = any_answer) -> tuple[Variant, ...]:
    """A whole answer that does not arrive as it was sent."""
    return (
        Variant("cut_json", in_bytes(lambda body: body[: len(body) * 2 // 3]), fits),
        Variant("empty_body", in_bytes(lambda body: b""), fits),
        Variant("cut_on_the_wire", on_the_wire(Fault(kind=Kind.TRUNCATED_BODY)), fits),
        Variant("longer_than_promised", on_the_wire(Fault(kind=Kind.WRONG_LENGTH, length=-7)), fits),
        Variant("shorter_than_promised", on_the_wire(Fault(kind=Kind.WRONG_LENGTH, length=64)), fits),
        Variant("type_html", lambda answer: unchanged(replace(answer, content_type="text/html")), fits),
        Variant("type_none", lambda answer: unchanged(replace(answer, content_type="")), fits),
        Variant("byte_order_mark", in_bytes(lambda body: b"\xef\xbb\xbf" + body), fits),
        Variant("compressed", _compressed, fits),
        Variant("compressed_wrongly", _compressed_wrongly, fits),
        Variant("huge", in_bytes(_padded), fits),
        Variant("drip", on_the_wire(Fault(kind=Kind.SLOW_BODY, seconds=DRIP_SECONDS)), fits),
        Variant("stall", on_the_wire(Fault(kind=Kind.SLOW_HEADERS, seconds=STALL_SECONDS)), fits),
        Variant("reset", on_the_wire(Fault(kind=Kind.RESET, after=True)), fits),
        Variant("nested_too_deep", in_bytes(_nested), fits),
        Variant("number_too_long", in_bytes(_long_number), fits),
        Variant("not_utf8", in_bytes(lambda body: body[:-1] + b',"note":"\xff\xfe"}'), fits),
        Variant("zero_characters", in_envelope(lambda held: {**held, "msg": "suc\x00cess\x1b[31m"}), fits),
        Variant("lone_surrogate", in_bytes(lambda body: body[:-1] + b',"note":"\\ud800"}'), fits),
    )


def _compressed(answer: Answer) -> Changed:
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return unchanged(replace(answer, body=gzip.compress(answer.body, mtime=0), headers=headers))


def _compressed_wrongly(answer: Answer) -> Changed:
    """The header promises gzip, the body is none."""
    return unchanged(replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"}))


def _nested(body: bytes) -> bytes:
    return body[:-1] + b',"more":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


def _long_number(body: bytes) -> bytes:
    return body[:-1] + b',"more":' + b"9" * 5_000 + b"}"
