"""A deadline for a request's whole body: one that drips in would hold its connection for ever."""

import asyncio
from datetime import timedelta
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import Problem


class BodyDeadline:
    """ASGI middleware: a body that is not whole in time ends its request with a `Problem`, 408."""

    def __init__(self, app: ASGIApp, longest: timedelta) -> None:
        self._app = app
        self._longest = longest.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        deadline = asyncio.get_running_loop().time() + self._longest
        whole = scope["type"] != "http"

        async def receive_in_time() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                headers = {"Connection": "close"}
                raise Problem(HTTPStatus.REQUEST_TIMEOUT, "The body is not whole.", headers=headers) from None
            whole = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)
