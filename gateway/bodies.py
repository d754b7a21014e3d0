"""Bodies of requests, read no further than they are wanted."""

import codecs
import json
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.problems import Problem

BODY_LIMIT = 256 * 1024
"""Most bytes of a body; KIE.ai's callbacks have a few thousand."""


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        Problem: 413 for a body over the limit, 400 for one that is no JSON object.
    """
    body = await _read(request)
    try:
        text = bytes(body).decode("utf-8-sig" if body.startswith(codecs.BOM_UTF8) else json.detect_encoding(body))
        found = json.loads(text, strict=False)  # raw control characters inside strings are taken
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is no JSON.") from None
    if not isinstance(found, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is no JSON object.")
    return found


async def _read(request: Request) -> bytes:
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > BODY_LIMIT:
        raise _too_large()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise _too_large()
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not whole.") from None
    return bytes(body)


def _too_large() -> Problem:
    # What is still on its way is not read, so the connection cannot be used again.
    detail = f"The body has more than {BODY_LIMIT} bytes."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})
