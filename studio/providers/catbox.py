"""catbox.moe, an optional place for stills. https://catbox.moe/tools.php

Not the default: since April 2026 it refuses anonymous uploads from data centres with 412, and commercial use
needs its owner's permission. KIE.ai's own upload host is free and always reachable for Kling.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from studio.errors import Forbidden, ProviderUnavailable, RequestRefused
from studio.providers import _foreign, _http
from studio.providers._border import bordered
from studio.secrets import keep_secret

API_URL = "https://catbox.moe"
UPLOAD_DEADLINE = 150.0
"""Seconds for an upload as a whole."""

_AGENT = {"User-Agent": "Mozilla/5.0 (compatible; Longtake)"}  # without an agent the connection is closed silently


class CatboxClient:
    """Uploads to catbox.moe, anonymous or under a user hash. `open_catbox` makes it."""

    def __init__(self, http: httpx.AsyncClient, *, userhash: str = "") -> None:
        self._http = http
        self._userhash = userhash

    @bordered("catbox.moe", ProviderUnavailable)
    async def host(self, content: bytes, *, name: str, mime: str) -> str:
        """Upload a file; returns its public address. Every upload makes a new one, which is harmless.

        Raises:
            Forbidden: catbox refuses this machine or this user hash; use another host.
            ProviderUnavailable: overload, an empty answer.
            RequestRefused: anything it says that is not an address.
        """
        fields = {"reqtype": "fileupload", "userhash": self._userhash}
        files = {"fileToUpload": (name, content, mime)}
        answer = await _http.exchange(
            self._http,
            "POST",
            "/user/api.php",
            service="catbox.moe",
            deadline=UPLOAD_DEADLINE,
            data=fields,
            files=files,
        )
        text = _foreign.plain(_http.decoded(answer.content)).strip()
        if self._userhash:
            text = text.replace(self._userhash, _http.HIDDEN)
        if answer.status_code == 412:
            raise Forbidden(f"catbox.moe refuses uploads from here - Set STILL_HOST=kie: {_foreign.quote(text)}")
        if answer.status_code >= 500 or (answer.is_success and not text):
            raise ProviderUnavailable(f"catbox.moe answered {answer.status_code} and no address")
        if answer.is_success and re.fullmatch(r"https?://[!-~]{1,2000}", text):
            return text
        raise RequestRefused(f"catbox.moe refused the upload ({answer.status_code}): {_foreign.quote(text)}")


@asynccontextmanager
async def open_catbox(*, url: str = API_URL, userhash: str = "") -> AsyncIterator[CatboxClient]:
    """A client and its connections."""
    keep_secret([userhash])
    async with httpx.AsyncClient(
        base_url=url, verify=_http.tls(), headers=_AGENT, timeout=httpx.Timeout(None, connect=10)
    ) as http:
        yield CatboxClient(http, userhash=userhash)
