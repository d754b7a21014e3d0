"""KIE.ai's callbacks: a hint to look, handed on to the film.

We put the order, the channel, the film and the clip into the address ourselves. Of the body nothing is taken but the
task id; the film asks KIE.ai what has become of it. So a forged callback costs one look, and one that comes twice, too
late or for nobody costs less.
"""

import re
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Query, Request

from gateway.bodies import json_object
from gateway.problems import Problem
from gateway.signals import SignalQueue, TooManyWaiting
from gateway.signatures import SignatureCheck, SignatureRefused
from studio.contracts.base import Identifier
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipNumber
from workflows_temporal.addresses import video_workflow_id

_log = structlog.get_logger()

COME_AGAIN_SECONDS = 10
"""What a caller is told when we have no room for his callback."""

_TASK_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


def callback_routes(signals: SignalQueue, signatures: SignatureCheck | None) -> APIRouter:
    """Where providers call back."""
    routes = APIRouter(prefix="/callbacks")

    @routes.post("/kie/{intent}")
    async def kie(
        intent: UUID,
        channel: Annotated[Identifier, Query()],
        film: Annotated[Identifier, Query()],
        clip: Annotated[ClipNumber, Query()],
        request: Request,
    ) -> dict[str, str]:
        """KIE.ai says that it is done with a task. Unknown and stale ones are taken as well: 200 ends the matter."""
        task_id = task_id_of(await json_object(request))
        if signatures is not None:
            _check(signatures, task_id, request)
        callback = CalledBack(submission_id=str(intent), number=clip, task_id=task_id)
        _hand_over(signals, video_workflow_id(channel, film), callback)
        return {"status": "taken"}

    return routes


def task_id_of(body: dict[str, Any]) -> str:
    """The task id, under any of the names KIE.ai's documents have for it.

    Raises:
        Problem: 422, there is none, or none that could be one.
    """
    inside = body.get("data")
    data = inside if isinstance(inside, dict) else {}
    found = next((said for said in (data.get("taskId"), data.get("task_id"), body.get("taskId")) if said), None)
    if not isinstance(found, str) or not _TASK_ID.fullmatch(found):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body names no task: data.taskId is missing or is none.")
    return found


def _check(signatures: SignatureCheck, task_id: str, request: Request) -> None:
    try:
        signatures.check(task_id, request.headers)
    except SignatureRefused as refused:
        _log.warning("callback.unsigned", path=request.url.path, reason=str(refused))
        raise Problem(HTTPStatus.UNAUTHORIZED, str(refused)) from None


def _hand_over(signals: SignalQueue, workflow_id: str, callback: CalledBack) -> None:
    try:
        signals.put(workflow_id, callback)
    except TooManyWaiting as full:
        _log.warning("callback.turned_away", workflow_id=workflow_id, reason=str(full))
        headers = {"Retry-After": str(COME_AGAIN_SECONDS)}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{full}.", headers=headers) from None
    _log.info("callback.taken", workflow_id=workflow_id, clip=callback.number, task_id=callback.task_id)
