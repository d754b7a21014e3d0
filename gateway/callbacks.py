"""KIE.ai's callbacks: hints to look, stored until whoever waits for the order was told.

The order, the channel, the video and the clip are in the address, which we made and authenticated. Of the body nothing
is taken but the task id; the video asks KIE.ai what has become of it. 200 means: stored, or handed over.
"""

import asyncio
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request

from gateway.bodies import json_object
from gateway.damping import Damped, RateLimit
from gateway.delivery import CallbackDelivery
from gateway.problems import Problem
from gateway.signatures import SignatureCheck, SignatureRefused
from studio.callback_address import CallbackSigner, CallbackSubject
from studio.contracts.base import Identifier
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipNumber
from studio.errors import DatabaseUnavailable
from studio.store.callbacks import CallbackInbox, Taken

_log = structlog.get_logger()

RETRY_AFTER_SECONDS = 10
"""What a caller is told when its callback is neither stored nor handed over."""
STORING = timedelta(seconds=6)
"""Longest time for storing; KIE.ai waits 15 s for an answer."""
PER_VIDEO = (10.0, 200.0)
"""Callbacks of one video per second, and at once: the clips of a large video may end together."""
IN_ALL = (50.0, 500.0)
"""Callbacks of all videos per second, and at once. KIE.ai takes 2 orders per second and account."""

_TASK_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,200}")
_TASK_ID_NAMES = ("taskId", "task_id", "recordId", "record_id")


class CallbackDoor:
    """Decides which callbacks are taken, and stores them."""

    def __init__(
        self,
        inbox: CallbackInbox,
        delivery: CallbackDelivery,
        *,
        signer: CallbackSigner | None = None,
        signatures: SignatureCheck | None = None,
    ) -> None:
        self._inbox = inbox
        self._delivery = delivery
        self._signer = signer
        self._signatures = signatures
        self._limit = RateLimit(each=PER_VIDEO, all_together=IN_ALL)
        self._refused = Damped("callback.refused")

    def admit(self, subject: CallbackSubject, code: str | None) -> None:
        """Whether we made this address. Costs no look into the database.

        Raises:
            Problem: 401, we did not.
        """
        if self._signer is not None and not (code and self._signer.fits(subject, code)):
            self._refused.warning(reason="the address is not ours", channel=subject.channel, video=subject.video_id)
            raise Problem(HTTPStatus.UNAUTHORIZED, "This callback address was not made by this installation.")

    async def take(self, subject: CallbackSubject, task_id: str, request: Request) -> Taken:
        """Store a callback; deliver it soon.

        Raises:
            Problem: 401 unsigned, 429 too many, 503 neither stored nor handed over.
        """
        if self._signatures is not None:
            self._check(self._signatures, task_id, request)
        if not self._limit.take(f"{subject.channel}/{subject.video_id}"):
            self._refused.warning(reason="too many callbacks", channel=subject.channel, video=subject.video_id)
            raise _later(HTTPStatus.TOO_MANY_REQUESTS, "Too many callbacks at once.")
        try:
            async with asyncio.timeout(STORING.total_seconds()):
                taken = await self._inbox.put(subject, task_id)
        except (DatabaseUnavailable, TimeoutError):
            await self._hand_over(subject, task_id)
            return Taken.STORED
        if taken is Taken.STORED:
            _log.info("callback.taken", submission_id=subject.order_id, clip=subject.number, task_id=task_id)
            self._delivery.wake()
        return taken

    async def _hand_over(self, subject: CallbackSubject, task_id: str) -> None:
        """The inbox is away. An address that is certainly ours goes to the video at once, any other comes again."""
        if self._signer is not None:
            callback = CalledBack(submission_id=subject.order_id, number=subject.number, task_id=task_id)
            handed = await self._delivery.hand_over(callback, channel=subject.channel, video_id=subject.video_id)
            if handed.done:
                return
        self._refused.warning(reason="the inbox is not available", channel=subject.channel, video=subject.video_id)
        raise _later(HTTPStatus.SERVICE_UNAVAILABLE, "The callback could not be stored.")

    def _check(self, signatures: SignatureCheck, task_id: str, request: Request) -> None:
        try:
            signatures.check(task_id, request.headers)
        except SignatureRefused as refused:
            self._refused.warning(path=request.url.path, reason=str(refused))
            raise Problem(HTTPStatus.UNAUTHORIZED, str(refused)) from None


def callback_routes(door: CallbackDoor) -> APIRouter:
    """Where providers call back."""
    routes = APIRouter(prefix="/callbacks")

    @routes.post("/kie/{intent}")
    async def kie(
        intent: UUID,
        channel: Annotated[Identifier, Query()],
        video: Annotated[Identifier, Query()],
        clip: Annotated[ClipNumber, Query()],
        request: Request,
        signature: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, str]:
        """KIE.ai says that it is done with a task. Repeated ones and those about no order of ours are done."""
        subject = CallbackSubject("kie", str(intent), channel, video, clip)
        door.admit(subject, signature)
        task_id = task_id_of(await json_object(request))
        return {"status": (await door.take(subject, task_id, request)).value}

    return routes


def task_id_of(body: dict[str, Any]) -> str:
    """The task id, under any of the names KIE.ai's documents have for it, as text or as a number.

    Raises:
        Problem: 422, there is none, or none that could be one.
    """
    inside = body.get("data")
    places = [inside, body] if isinstance(inside, dict) else [body]
    named = (place.get(name) for place in places for name in _TASK_ID_NAMES)
    found = next((value for value in named if value not in (None, "")), None)
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 10**30:
        found = str(found)
    if not isinstance(found, str) or not _TASK_ID.fullmatch(found):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body names no task: data.taskId is missing or is none.")
    return found


def _later(status: HTTPStatus, detail: str) -> Problem:
    return Problem(status, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
