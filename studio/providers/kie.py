"""KIE.ai, which resells Kling. https://docs.kie.ai

Refusals usually arrive as HTTP 200 with another `code` in the body, so both are looked at, the body's first.
There is no idempotency key and no way to look a task up by our own id: an order whose answer got lost stays
unknown (`SubmissionUnknown`), and is never sent again by this client or by any retry policy.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from studio.errors import (
    AuthenticationError,
    ContentRefused,
    Forbidden,
    GenerationFailed,
    InsufficientCredits,
    Maintenance,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    SpendingCapReached,
    StillUnreachable,
    StudioError,
    SubmissionUnknown,
    TaskLost,
)
from studio.providers import _http
from studio.providers.kie_models import kling_model

API_URL = "https://api.kie.ai"
UPLOAD_URL = "https://kieai.redpandaai.co"

RATE_WINDOW = timedelta(seconds=10)
"""At most 20 new tasks per account in this time; a request above it is dropped, not queued."""
MAINTENANCE_PAUSE = timedelta(minutes=2)
UPLOAD_FOLDER = "longtake"

_AGENT = {"User-Agent": "Mozilla/5.0 (compatible; Longtake)"}  # library defaults are answered 403 by the hosts' CDN
_TIMEOUT = httpx.Timeout(45, connect=10)

_POLICY_WORDS = ("policy", "sensitive", "prohibited", "nsfw", "violat", "moderation", "inappropriate", "risk control")

TaskState = Literal["running", "success", "fail"]


@dataclass(frozen=True)
class KieTask:
    """What KIE.ai says of a task."""

    state: TaskState
    urls: tuple[str, ...] = ()
    credits: Decimal | None = None
    seconds: float = 0.0
    failure: str = ""
    content_refused: bool = False
    reference: str | None = None
    """Our id of the order, from the callback address that came back with the task; None when it has none."""

    def failed(self) -> GenerationFailed:
        """Its failure as an error."""
        kind = ContentRefused if self.content_refused else GenerationFailed
        return kind(f"Kling could not make the clip: {self.failure or 'no reason given'}")


class KieClient:
    """One account of KIE.ai. `open_kie` makes it."""

    def __init__(self, api: httpx.AsyncClient, orders: httpx.AsyncClient, uploads: httpx.AsyncClient) -> None:
        self._api = api
        self._orders = orders
        self._uploads = uploads

    async def create_task(
        self, *, model: str, prompt: str, image_url: str, seconds: int, callback_url: str | None = None
    ) -> str:
        """Order a clip; returns the task id. This costs money, and it cannot be taken back.

        Raises:
            SubmissionUnknown: the order may have been accepted and paid.
            ProviderError: any other kind means that nothing was created.
        """
        body: dict[str, Any] = {
            "model": model,
            "input": kling_model(model).input(prompt=prompt, image_url=image_url, seconds=seconds),
        }
        if callback_url:
            body["callBackUrl"] = callback_url
        try:
            answer = await _http.exchange(self._orders, "POST", "/api/v1/jobs/createTask", service="KIE.ai", json=body)
        except _http.AnswerLost as lost:
            raise SubmissionUnknown(f"{lost}; the order may have been accepted") from None
        return _task_id(answer)

    async def record_info(self, task_id: str) -> KieTask:
        """Look at a task.

        Raises:
            TaskLost: KIE.ai does not know it; in the first minute and a half after the order that means nothing.
            ProviderUnavailable: the look failed; the task goes on.
        """
        body = await self._read("GET", "/api/v1/jobs/recordInfo", params={"taskId": task_id})
        data = body.get("data")
        if not isinstance(data, dict):
            raise TaskLost(f"KIE.ai knows nothing of task {task_id}")
        return _task(data)

    async def find_by_reference(self, reference: str) -> KieTask | None:
        """The task that was ordered under an id of ours. KIE.ai cannot look that up: always None."""
        return None

    async def credit(self) -> Decimal:
        """The account's balance in credits."""
        body = await self._read("GET", "/api/v1/chat/credit")
        return Decimal(str(body.get("data", 0)))

    async def download_url(self, url: str) -> str:
        """A fresh link to a result of KIE.ai's, good for 20 minutes."""
        body = await self._read("POST", "/api/v1/common/download-url", json={"url": url})
        return str(body["data"])

    async def host(self, content: bytes, *, name: str, mime: str) -> str:
        """Put a file where KIE.ai can fetch it, for about a day; returns its address.

        The same name is overwritten: with a name made from the content an upload can be repeated freely.
        """
        fields = {"uploadPath": UPLOAD_FOLDER, "fileName": name}
        files = {"file": (name, content, mime)}
        body = await self._read("POST", "/api/file-stream-upload", http=self._uploads, data=fields, files=files)
        data = body.get("data") or {}
        url = data.get("downloadUrl") or data.get("fileUrl")
        if not url:
            raise ProviderUnavailable("KIE.ai took the upload but gave no address for it")
        return str(url)

    async def _read(
        self, method: str, url: str, *, http: httpx.AsyncClient | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """An exchange that may be repeated: everything unclear is `ProviderUnavailable`."""
        try:
            answer = await _http.exchange(http or self._api, method, url, service="KIE.ai", **kwargs)
        except _http.AnswerLost as lost:
            raise ProviderUnavailable(str(lost)) from None
        body = _http.json_object(answer)
        code = _code(answer, body)
        if answer.is_success and body is not None and code == 200:
            return body
        raise _refusal(code, body, answer) or ProviderUnavailable(f"KIE.ai answered {code}{_words(body)}")


@asynccontextmanager
async def open_kie(*, key: str, api_url: str = API_URL, upload_url: str = UPLOAD_URL) -> AsyncIterator[KieClient]:
    """A client for one key, and its connections.

    Orders never reuse a connection: a kept-alive one that the server has just closed fails after the request was
    written, which cannot be told from an order that was accepted.
    """
    headers = _AGENT | {"Authorization": f"Bearer {key}"}
    fresh = httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(base_url=api_url, headers=headers, timeout=_TIMEOUT) as api,
        httpx.AsyncClient(base_url=api_url, headers=headers, timeout=_TIMEOUT, limits=fresh) as orders,
        httpx.AsyncClient(base_url=upload_url, headers=headers, timeout=httpx.Timeout(120, connect=10)) as uploads,
    ):
        yield KieClient(api, orders, uploads)


def _task_id(answer: httpx.Response) -> str:
    body = _http.json_object(answer)
    code = _code(answer, body)
    if answer.is_success and body is not None and code == 200:
        data = body.get("data")
        task_id = data.get("taskId") if isinstance(data, dict) else None
        if task_id:
            return str(task_id)
        raise SubmissionUnknown("KIE.ai accepted the order but its answer holds no task id")
    refusal = _refusal(code, body, answer)
    if refusal is None:
        raise SubmissionUnknown(f"KIE.ai answered {code}{_words(body)}; the order may have been accepted")
    raise refusal


def _code(answer: httpx.Response, body: dict[str, Any] | None) -> int:
    """The code that counts: the body's when it has one, else the HTTP status; 0 for an answer nobody can read."""
    if body is not None and isinstance(body.get("code"), int):
        return int(body["code"])
    return 0 if answer.is_success else answer.status_code


def _refusal(code: int, body: dict[str, Any] | None, answer: httpx.Response) -> StudioError | None:
    """The error a code stands for; None for those that leave open whether anything happened (408, 500, 5xx)."""
    words = _words(body)
    match code:
        case 401:
            return AuthenticationError("KIE.ai authentication failed - Check KIE_API_KEY")
        case 402:
            return InsufficientCredits(f"KIE.ai has no credits left - Top up the account{words}")
        case 403:
            return Forbidden(f"KIE.ai forbids this - Check the key's IP whitelist{words}")
        case 429:
            wait = max(_http.retry_after(answer) or RATE_WINDOW, RATE_WINDOW)
            return RateLimited("KIE.ai takes no more tasks for now (429)", retry_after=wait)
        case 433:
            return SpendingCapReached(f"The spending cap of KIE_API_KEY is reached - Raise it at KIE.ai{words}")
        case 451:
            return StillUnreachable(f"KIE.ai could not fetch the still{words}")
        case 455:
            return Maintenance(f"KIE.ai is under maintenance{words}", retry_after=MAINTENANCE_PAUSE)
        case 404 | 422:
            return TaskLost(f"KIE.ai answered {code}{words}") if "recordInfo" in str(answer.url) else _no(code, words)
        case 400 | 405 | 409 | 413 | 415 | 501 | 505:
            return _no(code, words)
    return None


def _no(code: int, words: str) -> ProviderError:
    return RequestRefused(f"KIE.ai refused the request ({code}){words}")


def _words(body: dict[str, Any] | None) -> str:
    said = (body or {}).get("msg") or (body or {}).get("message")
    return f": {_http.quote(said)}" if said else ""


def _task(data: dict[str, Any]) -> KieTask:
    """A task from recordInfo's `data`. States nobody has documented count as still running."""
    credits = data.get("creditsConsumed")
    worked = ((data.get("completeTime") or 0) - (data.get("createTime") or 0)) / 1_000
    known: dict[str, Any] = {
        "credits": None if credits is None else Decimal(str(credits)),
        "seconds": max(worked, 0.0),
        "reference": _reference(data),
    }
    match data.get("state"):
        case "success":
            return KieTask("success", urls=_result_urls(data), **known)
        case "fail":
            reason = _http.quote(data.get("failMsg") or data.get("failCode") or "")
            told = f"{data.get('failCode') or ''} {reason}".lower().replace("_", " ")
            return KieTask("fail", failure=reason, content_refused=any(w in told for w in _POLICY_WORDS), **known)
    return KieTask("running", **known)


def _reference(data: dict[str, Any]) -> str | None:
    """The last part of the callback address's path: `param` repeats the order, the address included."""
    address = urlsplit(str(_http.object_in(data.get("param")).get("callBackUrl") or ""))
    return address.path.rpartition("/")[2] or None


def _result_urls(data: dict[str, Any]) -> tuple[str, ...]:
    """Result addresses. `resultJson` is JSON inside a JSON string; some answers carry an object instead."""
    for source in (data.get("resultJson"), data.get("response")):
        found = _http.object_in(source)
        urls = found.get("resultUrls") or found.get("result_urls") or found.get("origin_urls")
        if isinstance(urls, list) and urls:
            return tuple(str(url) for url in urls)
    return ()
