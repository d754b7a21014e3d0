"""How the server words a refusal: aiohttp's own plain text, except where it says something of its own."""

from typing import Any

from simulators.wire import Answer, json_answer, text_answer

TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"

REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
}


def trouble() -> Answer:
    """An exception inside the server."""
    return text_answer(TROUBLE, 500, code=500)


EMPTY = (400, 403, 404)
"""Statuses whose answers have no body, seen of /view, /upload and unknown routes."""


def plain(status: int) -> Answer:
    if status in EMPTY:
        return text_answer("", status, code=status)
    return text_answer(f"{status}: {REASONS.get(status, 'Error')}", status, code=status)


def refused(kind: str, message: str, details: str = "", **info: Any) -> Answer:
    """A prompt that is not taken."""
    error = {"type": kind, "message": message, "details": details, "extra_info": info}
    return json_answer({"error": error, "node_errors": {}}, 400, code=kind)


class AiohttpWords:
    """For faults on order and for unknown routes."""

    def error(self, route: str, status: int, code: int | str | None, msg: str | None) -> Answer:
        if status >= 500:
            return text_answer(msg or TROUBLE, status, code=code or status)
        if status in EMPTY and msg in (None, REASONS[status]):
            return plain(status)
        return text_answer(f"{status}: {msg or REASONS.get(status, 'Error')}", status, code=code or status)

    def coded(self, route: str, code: int | str, msg: str | None) -> Answer:
        return json_answer({"error": {"type": str(code), "message": msg or "error"}}, 200, code=code)
