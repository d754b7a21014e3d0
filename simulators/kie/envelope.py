"""How KIE wraps what it says: a body code of its own, often under an HTTP 200."""

from typing import Any

from simulators.kie.config import KieConfig
from simulators.wire import Answer, json_answer

MESSAGES = {
    400: "Bad request",
    401: "You do not have access permissions",
    402: "Credits insufficient",
    404: "Not found",
    405: "Request method not supported",
    422: "Validation error",
    429: "Your call frequency is too high. Please try again later.",
    433: "The spending limit of this API key has been reached",
    451: "Failed to fetch the image. Kindly verify any access limits set by you or your service provider.",
    455: "The service is currently being maintained",
    500: "Server exception, please try again later or contact customer service",
    505: "The feature is currently disabled",
}


class Envelope:
    """`{"code", "msg", "data"}`; the upload host adds `success`."""

    def __init__(self, config: KieConfig, *, upload: bool = False) -> None:
        self._config = config
        self._upload = upload

    def ok(self, data: Any) -> Answer:
        if self._upload:
            return json_answer({"success": True, "code": 200, "msg": "File uploaded successfully", "data": data})
        return json_answer({"code": 200, self._config.message_key: "success", "data": data})

    def refuse(self, code: int, msg: str | None = None) -> Answer:
        """By HTTP 200 and body code, or by a real status, as the configuration says for this kind of code."""
        config = self._config
        real = {401: config.auth_as_http, 429: config.limits_as_http}.get(code, config.errors_as_http)
        return self._refusal(code if real else 200, code, msg)

    def error(self, route: str, status: int, code: int | str | None, msg: str | None) -> Answer:
        return self._refusal(status, code or status, msg)

    def coded(self, route: str, code: int | str, msg: str | None) -> Answer:
        return self._refusal(200, code, msg)

    def _refusal(self, status: int, code: int | str, msg: str | None) -> Answer:
        told = msg or MESSAGES.get(code if isinstance(code, int) else 500, "error")
        body: dict[str, Any] = {"code": code, self._config.message_key: told}
        body = {"success": False, **body} if self._upload else {**body, "data": None}
        return json_answer(body, status, code=code)
