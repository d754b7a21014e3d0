"""Notion: the status of a page. https://developers.notion.com/reference/patch-page"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import quote

import httpx

from studio.errors import (
    AuthenticationError,
    Forbidden,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from studio.providers import _foreign, _http
from studio.providers._border import bordered
from studio.secrets import keep_secret

API_URL = "https://api.notion.com"
VERSION = "2025-09-03"
"""The API version these requests are written for; patching a page's status is the same in all since 2022."""

PropertyKind = Literal["status", "select"]


class NotionClient:
    """One integration of Notion. `open_notion` makes it."""

    def __init__(self, http: httpx.AsyncClient, *, property_name: str, kind: PropertyKind) -> None:
        self._http = http
        self._property = property_name
        self._kind = kind

    @bordered("Notion", ProviderUnavailable)
    async def set_status(self, page_id: str, status: str) -> None:
        """Set a page's status. Saying it twice changes nothing.

        Raises:
            RateLimited: with Notion's own `Retry-After`.
            ProviderUnavailable: conflicts, overload and server errors; worth another try.
            AuthenticationError, Forbidden, RequestRefused: will not pass without a person.
        """
        body = {"properties": {self._property: {self._kind: {"name": status}}}}
        answer = await _http.exchange(
            self._http, "PATCH", f"/v1/pages/{quote(page_id, safe='')}", service="Notion", json=body
        )
        if not answer.is_success:
            raise _refusal(answer)


@asynccontextmanager
async def open_notion(
    *, token: str, url: str = API_URL, property_name: str = "Status", kind: PropertyKind = "status"
) -> AsyncIterator[NotionClient]:
    """A client and its connections."""
    keep_secret([token])
    headers = {"Authorization": f"Bearer {token}", "Notion-Version": VERSION}
    async with httpx.AsyncClient(
        base_url=url, verify=_http.tls(), headers=headers, timeout=httpx.Timeout(30, connect=10)
    ) as http:
        yield NotionClient(http, property_name=property_name, kind=kind)


def _refusal(answer: httpx.Response) -> ProviderError:
    said = _foreign.quote((_http.json_object(answer) or {}).get("message", ""))
    match answer.status_code:
        case 401:
            return AuthenticationError("Notion authentication failed - Check NOTION_TOKEN")
        case 403:
            return Forbidden(f"Notion: the integration may not do this: {said}")
        case 404:
            return RequestRefused(f"Notion: no such page, or it is not shared with the integration: {said}")
        case 429 | 529:
            return RateLimited("Notion takes no more requests for now", retry_after=_http.retry_after(answer))
        case 409 | 500 | 502 | 503 | 504:
            return ProviderUnavailable(f"Notion answered {answer.status_code}", retry_after=_http.retry_after(answer))
    return RequestRefused(f"Notion refused the status ({answer.status_code}): {said}")
