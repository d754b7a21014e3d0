"""KIE.ai, which resells Kling. https://docs.kie.ai

Refusals usually arrive as HTTP 200 with another `code` in the body, so both are looked at, the body's first.
There is no idempotency key and no way to look a task up by our own id: an order whose answer got lost stays
unknown (`SubmissionUnknown`), and is never sent again by this client or by any retry policy.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx

from studio.errors import ProviderUnavailable, SubmissionUnknown, TaskLost
from studio.providers import _foreign, _http, kie_answers
from studio.providers._border import bordered
from studio.providers.kie_answers import KieAnswer, KieTask
from studio.providers.kie_models import kling_model
from studio.providers.kie_refusals import MAINTENANCE_PAUSE, RATE_WINDOW
from studio.secrets import keep_secret

__all__ = ["MAINTENANCE_PAUSE", "RATE_WINDOW", "KieClient", "KieTask", "open_kie"]

API_URL = "https://api.kie.ai"
UPLOAD_URL = "https://kieai.redpandaai.co"

ORDER_DEADLINE = 16.0
"""Seconds for an order as a whole. With the last turns after it, that is less than the 20 s of silence after which
Temporal gives an order to another worker."""
LOOK_DEADLINE = 15.0
"""Seconds for anything that may be asked again."""
UPLOAD_DEADLINE = 150.0
UPLOAD_FOLDER = "longtake"

_AGENT = {"User-Agent": "Mozilla/5.0 (compatible; Longtake)"}  # library defaults are answered 403 by the hosts' CDN
_CONNECT = httpx.Timeout(None, connect=5)  # the deadlines bound the rest

_unread = bordered("KIE.ai", ProviderUnavailable)
_unknown = bordered("KIE.ai", SubmissionUnknown)


class KieClient:
    """One account of KIE.ai. `open_kie` makes it."""

    def __init__(
        self,
        api: httpx.AsyncClient,
        orders: httpx.AsyncClient,
        uploads: httpx.AsyncClient,
        *,
        order_deadline: float = ORDER_DEADLINE,
    ) -> None:
        self._api = api
        self._orders = orders
        self._uploads = uploads
        self._order_deadline = order_deadline

    @_unknown
    async def create_task(
        self, *, model: str, prompt: str, image_url: str, seconds: int, callback_url: str | None = None
    ) -> str:
        """Order a clip; returns the task id. This costs money, and it cannot be taken back.

        Raises:
            SubmissionUnknown: the order may have been accepted and paid; with the task the answer named, if it did.
            StudioError: any other kind means that nothing was created. Only KIE.ai's own JSON can mean that.
        """
        body: dict[str, Any] = {
            "model": model,
            "input": kling_model(model).input(prompt=prompt, image_url=image_url, seconds=seconds),
        }
        if callback_url:
            body["callBackUrl"] = callback_url
        try:
            response = await _http.exchange(
                self._orders,
                "POST",
                "/api/v1/jobs/createTask",
                service="KIE.ai",
                deadline=self._order_deadline,
                content=json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
        except _http.AnswerLost as lost:
            named = kie_answers.task_id_in_text(_http.decoded(lost.partial))
            raise SubmissionUnknown(f"{lost}; {_may_be_accepted(named)}", task_id=named) from None
        return _accepted(KieAnswer(response))

    @_unread
    async def record_info(self, task_id: str) -> KieTask:
        """Look at a task.

        Raises:
            TaskLost: KIE.ai's own answer is that it does not know it. That may pass: absence is no proof.
            ProviderUnavailable, RateLimited, Maintenance: the look failed; the task goes on.
            AuthenticationError: the key is not accepted any more.
        """
        answer = await self._ask("GET", "/api/v1/jobs/recordInfo", params={"taskId": task_id})
        record = kie_answers.record_of(answer)
        if record and answer.good:
            return kie_answers.task_of(record)
        if record and answer.status < 300 and (task := kie_answers.task_of(record)).state != "running":
            return task  # under another code, as callbacks report failures (501)
        refusal = answer.refusal()
        if refusal is not None and (refusal.retryable or answer.code == 401):
            raise refusal
        if answer.code in (404, 422) or (answer.good and answer.code is not None and "data" in answer.body):
            raise TaskLost(f"KIE.ai knows nothing of task {_foreign.quote(task_id)}: {answer.summary}")
        raise ProviderUnavailable(answer.summary)

    async def find_by_reference(self, reference: str) -> KieTask | None:
        """The task that was ordered under an id of ours. KIE.ai cannot look that up: always None."""
        return None

    @_unread
    async def credit(self) -> Decimal | None:
        """The account's balance in credits; None when the answer holds no number."""
        return kie_answers.balance_of((await self._read("GET", "/api/v1/chat/credit")).data)

    @_unread
    async def download_url(self, url: str) -> str:
        """A fresh link to a result of KIE.ai's, good for 20 minutes."""
        answer = await self._read("POST", "/api/v1/common/download-url", json={"url": url})
        return _address(answer, "fresh link")

    @_unread
    async def host(self, content: bytes, *, name: str, mime: str) -> str:
        """Put a file where KIE.ai can fetch it, for about a day; returns its address.

        The same name is overwritten: with a name made from the content an upload can be repeated freely.
        """
        fields = {"uploadPath": UPLOAD_FOLDER, "fileName": name}
        files = {"file": (name, content, mime)}
        answer = await self._read(
            "POST",
            "/api/file-stream-upload",
            http=self._uploads,
            deadline=UPLOAD_DEADLINE,
            data=fields,
            files=files,
        )
        return _address(answer, "address for the upload")

    async def _read(self, method: str, url: str, **kwargs: Any) -> KieAnswer:
        """An exchange that may be repeated: everything unclear is `ProviderUnavailable`."""
        answer = await self._ask(method, url, **kwargs)
        if answer.good:
            return answer
        raise answer.refusal() or ProviderUnavailable(answer.summary)

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        http: httpx.AsyncClient | None = None,
        deadline: float = LOOK_DEADLINE,
        **kwargs: Any,
    ) -> KieAnswer:
        response = await _http.exchange(http or self._api, method, url, service="KIE.ai", deadline=deadline, **kwargs)
        return KieAnswer(response)


@asynccontextmanager
async def open_kie(
    *, key: str, api_url: str = API_URL, upload_url: str = UPLOAD_URL, order_deadline: float = ORDER_DEADLINE
) -> AsyncIterator[KieClient]:
    """A client for one key, and its connections.

    Orders never reuse a connection: a kept-alive one that the server has just closed fails after the request was
    written, which cannot be distinguished from an order that was accepted.
    """
    keep_secret([key])
    headers = _AGENT | {"Authorization": f"Bearer {key}"}
    fresh = httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(base_url=api_url, verify=_http.tls(), headers=headers, timeout=_CONNECT) as api,
        httpx.AsyncClient(
            base_url=api_url, verify=_http.tls(), headers=headers, timeout=_CONNECT, limits=fresh
        ) as orders,
        httpx.AsyncClient(base_url=upload_url, verify=_http.tls(), headers=headers, timeout=_CONNECT) as uploads,
    ):
        yield KieClient(api, orders, uploads, order_deadline=order_deadline)


def _accepted(answer: KieAnswer) -> str:
    """The task an answer to an order names.

    Raises:
        SubmissionUnknown: it names none and refuses nothing, or it names one and does not accept it either.
        StudioError: it refuses.
    """
    if answer.good and answer.task_id:
        return answer.task_id
    refusal = None if answer.task_id else answer.refusal()
    if refusal is not None:
        raise refusal
    raise SubmissionUnknown(f"{answer.summary}; {_may_be_accepted(answer.task_id)}", task_id=answer.task_id)


def _may_be_accepted(task_id: str | None) -> str:
    named = f" as task {task_id}" if task_id else ""
    return f"the order may have been accepted{named}"


def _address(answer: KieAnswer, what: str) -> str:
    """The web address an answer about a file holds.

    Raises:
        ProviderUnavailable: there is none.
    """
    found = kie_answers.address_of(answer.data)
    if found is None:
        raise ProviderUnavailable(f"KIE.ai gave no {what}: {answer.summary}")
    return found
