"""The front desk: every call passes it, and it knows which ones have to go wrong."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import unquote_plus

from aiohttp import web

from simulators.faults import NO_FAULT, Fault, Kind, Plan, Text
from simulators.variants import Variant, Varying
from simulators.wire import Answer, deliver, error_page, hang, reset, text_answer


class Call:
    """One request, its body read when somebody asks for it."""

    def __init__(self, request: web.Request, route: str) -> None:
        self.request = request
        self.route = route
        self.body = b""

    async def read(self) -> None:
        if not self.body and self.request.can_read_body:
            self.body = await self.request.read()

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def part(self, name: str) -> str:
        """A named part of the path."""
        return self.request.match_info[name]

    def json_object(self) -> dict[str, Any] | None:
        """The body, if it is a JSON object."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    @property
    def text(self) -> Text:
        return Text(unquote_plus(self.request.raw_path), self.body)


Handler = Callable[[Call], Awaitable[Answer]]


class Dialect(Protocol):
    """How a service words a refusal."""

    def error(self, route: str, status: int, code: int | str | None, msg: str | None) -> Answer:
        """A refusal by HTTP status."""

    def coded(self, route: str, code: int | str, msg: str | None) -> Answer:
        """A refusal in the body of an HTTP 200."""


@dataclass(frozen=True)
class Watch:
    """Who is told about calls."""

    arrived: Callable[[str], None]
    refused: Callable[[str, int | str], None]
    broken: Callable[[Exception], None]


class Desk:
    """Faults first, then the service, then the ledger, then the wire."""

    def __init__(self, plan: Plan[Fault], dialect: Dialect, watch: Watch, varying: Varying | None = None) -> None:
        self._plan = plan
        self._dialect = dialect
        self._watch = watch
        self._varying = varying
        self._ordered: dict[str, Variant] = {}
        """Path → a variant a script asked for that has not met an answer it fits."""

    def add(self, app: web.Application, method: str, path: str, route: str, handler: Handler) -> None:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(Call(request, route), handler)

        app.router.add_route(method, path, serve)

    def clear(self) -> None:
        """Forget what scripts asked for."""
        self._ordered.clear()

    def application(self) -> web.Application:
        """An application that words its 404 and 405 as the service does."""

        @web.middleware
        async def worded(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            try:
                return await handler(request)
            except ConnectionError:
                raise  # the client has left
            except web.HTTPException as refusal:
                if refusal.status < 400:
                    raise
                answer = self._dialect.error("unknown", refusal.status, None, refusal.reason)
                self._watch.refused("unknown", refusal.status)
                return await deliver(request, answer)
            except Exception as error:
                self._watch.broken(error)  # a 500 of ours must not pass for one of theirs
                raise

        return web.Application(middlewares=[worded], client_max_size=2**31)

    async def _serve(self, call: Call, handler: Handler) -> web.StreamResponse:
        self._watch.arrived(call.route)
        fault = await self._fault(call)
        variant = self._variant(call, fault)
        if variant is not None and not variant.acts:
            return await self._vary(call, variant, Answer())
        if not fault.commits:
            self._watch.refused(call.route, _noted(fault))
            return await self._refuse(call, fault)
        await call.read()
        answer = await handler(call)
        if answer.code is not None:
            self._watch.refused(call.route, answer.code)
        if fault.after:
            return await self._refuse(call, fault)
        if variant is None and fault is NO_FAULT and self._varying is not None and answer.code is None:
            variant = self._varying.draw(call.route, answer)
        if variant is not None and variant.fits(answer):
            return await self._vary(call, variant, answer)
        if variant is not None:
            self._ordered[call.request.raw_path] = variant
        shown = self._varying.usual(call.route, answer) if self._varying is not None else answer
        return await deliver(call.request, shown, fault)

    def _variant(self, call: Call, fault: Fault) -> Variant | None:
        """The one a script asks for, or one by chance that keeps the call from having its effect."""
        if self._varying is None:
            return None
        if fault.kind is Kind.VARIANT:
            return self._varying.named(call.route, fault.variant)
        if fault is NO_FAULT and (ordered := self._ordered.pop(call.request.raw_path, None)) is not None:
            return ordered
        return self._varying.draw(call.route) if fault is NO_FAULT else None

    async def _vary(self, call: Call, variant: Variant, answer: Answer) -> web.StreamResponse:
        assert self._varying is not None
        changed, fault = self._varying.changed(call.route, variant, answer)
        if fault.kind is Kind.RESET:
            return reset(call.request)
        return await deliver(call.request, changed, fault)

    async def _fault(self, call: Call) -> Fault:
        if self._plan.wants_body(call.route):
            await call.read()
        return self._plan.draw(call.route, call.text) or NO_FAULT

    async def _refuse(self, call: Call, fault: Fault) -> web.StreamResponse:
        if fault.kind is Kind.RESET:
            return reset(call.request)
        if fault.kind is Kind.HANG:
            return await hang(call.request)
        answer = self._worded(call, fault)
        return await deliver(call.request, replace(answer, headers={**answer.headers, **fault.headers}))

    def _worded(self, call: Call, fault: Fault) -> Answer:
        if fault.kind is Kind.HTML:
            return error_page(call.request.host, fault.status)
        if fault.kind is Kind.BODY_CODE:
            return self._dialect.coded(call.route, fault.code or 500, fault.msg)
        if fault.text is not None:
            return text_answer(fault.text, fault.status)
        return self._dialect.error(call.route, fault.status, fault.code, fault.msg)


def _noted(fault: Fault) -> int | str:
    match fault.kind:
        case Kind.HTTP:
            return fault.code or fault.status
        case Kind.BODY_CODE:
            return fault.code or 500
        case _:
            return fault.name
