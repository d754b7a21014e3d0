"""HTTP as providers speak it: what a failed exchange means, said once.

The difference that matters is whether the other side can have acted. A connection that never came about is
harmless. A request whose body was on its way when the line broke may have been carried out.
"""

import email.utils
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from studio.errors import ProviderUnavailable

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

HIDDEN = "[hidden]"

LONGEST_QUOTE = 300
"""Characters of a provider's own words that are quoted in our errors."""


class AnswerLost(Exception):
    """The request was on its way and no whole answer came back. Each client decides what that means."""


async def exchange(http: httpx.AsyncClient, method: str, url: str, *, service: str, **kwargs: Any) -> httpx.Response:
    """One request, one whole answer of any status.

    Raises:
        ProviderUnavailable: nothing was sent; trying again is harmless.
        AnswerLost: something was sent, and no whole answer came back.
    """
    try:
        return await http.request(method, url, **kwargs)
    except _NEVER_SENT as error:
        raise ProviderUnavailable(f"{service} cannot be reached ({type(error).__name__})") from None
    except httpx.HTTPError as error:
        raise AnswerLost(f"{service} did not answer ({type(error).__name__})") from None


def text_of(response: httpx.Response) -> str:
    """The answer's text without our own credentials: a service may repeat a request's headers in its complaints."""
    credentials = response.request.headers.get("authorization", "").rpartition(" ")[2]
    return response.text.replace(credentials, HIDDEN) if credentials else response.text


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """The answer's JSON object; None when it is something else, or cut off."""
    try:
        body = json.loads(text_of(response))
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def retry_after(response: httpx.Response, *, longest: timedelta = timedelta(minutes=5)) -> timedelta | None:
    """The `Retry-After` header as a duration: seconds or an HTTP date (RFC 9110, section 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0), longest.total_seconds()))


def quote(text: object) -> str:
    """A provider's words, on one line and short enough for a message."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"


def object_in(value: object) -> dict[str, Any]:
    """A JSON object that may come as one, or as a string that holds one; empty when it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
