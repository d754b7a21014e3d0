"""One ComfyUI server over HTTP: exchanges, what a failed one means, and which version answers."""

from typing import Any

import httpx

from studio.errors import Forbidden, ProviderError, ProviderUnavailable, RequestRefused, ServerGone
from studio.providers import _foreign, _http, comfyui_answers
from studio.providers.comfyui_answers import ComfyStats

PATIENCE = 30.0
"""Seconds: a server that loads a model says nothing for a while, one that hangs never says anything."""
LARGE = 10
"""Times the patience that a large answer or an upload may take in all."""


class ComfyWire:
    """The line to one server."""

    def __init__(self, http: httpx.AsyncClient, patience: float = PATIENCE) -> None:
        self.http = http
        self.patience = patience
        """Seconds an exchange may take as a whole, beside the silence its connections bear."""
        self.outages = 0
        """How often the server was away: what was known of it before may be wrong now."""
        self._version: str | None = None

    async def stats(self) -> ComfyStats:
        """Ask the server how it is; its version is kept."""
        stats = comfyui_answers.stats_of(await self.read("GET", "/system_stats"))
        self._version = stats.version
        return stats

    async def version(self) -> str:
        """The server's version, asked once, and again when the server was away."""
        return (await self.stats()).version if self._version is None else self._version

    async def at_least(self, first: tuple[int, ...]) -> bool:
        """Is the server of this version or newer?"""
        return comfyui_answers.release(await self.version()) >= first

    def forget_version(self) -> None:
        """Another version must have taken the server's place."""
        self._version = None

    async def exchange(self, method: str, url: str, *, deadline: float | None = None, **kwargs: Any) -> httpx.Response:
        """One request, one whole answer of any status.

        Raises:
            ServerGone: nothing was sent.
            AnswerLost: something was sent, and no whole answer came back.
        """
        try:
            return await _http.exchange(
                self.http, method, url, service="ComfyUI", deadline=deadline or 2 * self.patience, **kwargs
            )
        except ProviderUnavailable as error:
            raise self.gone(str(error)) from None
        except _http.AnswerLost:
            self.gone("")
            raise

    async def ask(self, method: str, url: str, *, fine: tuple[int, ...] = (), **kwargs: Any) -> httpx.Response:
        """An exchange that may be repeated: everything unclear is `ServerGone`. `fine`: statuses that are answers."""
        try:
            answer = await self.exchange(method, url, **kwargs)
        except _http.AnswerLost as lost:
            raise ServerGone(str(lost)) from None
        if answer.status_code not in fine:
            self.check(answer)
        return answer

    async def read(self, method: str, url: str, **kwargs: Any) -> dict[str, Any]:
        """An exchange that may be repeated, and its JSON object."""
        body = _http.json_object(await self.ask(method, url, **kwargs))
        if body is None:
            raise self.gone(f"ComfyUI gave no proper answer to {url}")
        return body

    def check(self, answer: httpx.Response, *, what: str = "") -> None:
        """Refuse an answer that is none. `what`: the file that was asked for.

        Raises:
            ServerGone: the server, or a proxy before it, is in trouble.
            RequestRefused, Forbidden: it will not be otherwise next time.
        """
        code = answer.status_code
        if answer.is_success:
            return
        if code >= 500 or code in (408, 429):
            raise self.gone(f"ComfyUI answered {code}")
        raise _refusal(code, answer, what)

    def gone(self, words: str) -> ServerGone:
        """The error to raise; what was known of the server may be wrong when it is back."""
        self.outages += 1
        self._version = None
        return ServerGone(words)


def _refusal(code: int, answer: httpx.Response, what: str) -> ProviderError:
    named = f": {_foreign.quote(what)}" if what else ""
    match code:
        case 401 | 403:
            return Forbidden(
                f"ComfyUI forbids this ({code}){named} - Check COMFYUI_URL and what stands before the server"
            )
        case 404:
            return RequestRefused(f"No ComfyUI answers at {_foreign.quote(str(answer.url))} (404)")
        case 413:
            return RequestRefused("The file is too large for this ComfyUI server - Start it with --max-upload-size")
    return RequestRefused(f"ComfyUI refused the request ({code}){named}")
