"""The admin door `/__sim`: what the other side knows and a service would never tell."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import ValidationError

if TYPE_CHECKING:
    from simulators.simulator import Simulator

Deed = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def add_routes(app: web.Application, simulator: "Simulator[Any]") -> None:
    deeds = _Deeds(simulator)
    app.router.add_get("/__sim/state", deeds.state)
    app.router.add_get("/__sim/ledger", deeds.ledger)
    app.router.add_get("/__sim/faults", deeds.faults)
    for name, deed in deeds.by_name().items():
        app.router.add_post(f"/__sim/{name}", _posted(deed))


class _Deeds:
    def __init__(self, simulator: "Simulator[Any]") -> None:
        self._simulator = simulator

    def by_name(self) -> dict[str, Deed]:
        return {
            "faults": self.add_faults,
            "reset": self.reset,
            "config": self.config,
            "advance": self.advance,
            "down": self.down,
            "up": self.up,
            **self._simulator.deeds(),
        }

    async def state(self, request: web.Request) -> web.Response:
        return web.json_response(self._simulator.state())

    async def ledger(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._simulator.ledger_json(request.query.getall("only", [])))
        except KeyError as unknown:
            return web.json_response({"error": f"the ledger has no {unknown}"}, status=400)

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response({"rules": self._simulator.rules()})

    async def add_faults(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"ids": add_faults(self._simulator, body)}

    async def reset(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"reset": self._simulator.reset(*body.get("only", []))}

    async def config(self, body: dict[str, Any]) -> dict[str, Any]:
        self._simulator.configure(**body)
        return {"config": self._simulator.config.model_dump(mode="json")}

    async def advance(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"now": self._simulator.advance(float(body["seconds"]))}

    async def down(self, body: dict[str, Any]) -> dict[str, Any]:
        await self._simulator.refuse_connections(body["host"], body.get("seconds"))
        return {"down": body["host"]}

    async def up(self, body: dict[str, Any]) -> dict[str, Any]:
        await self._simulator.accept_connections(body["host"])
        return {"up": body["host"]}


def add_faults(simulator: "Simulator[Any]", body: dict[str, Any]) -> list[int]:
    """One rule, or `{"rules": [...], "replace": true}`."""
    if body.get("replace"):
        simulator.clear_faults()
    return [simulator.add_rule(rule) for rule in (body["rules"] if "rules" in body else [body])]


def _posted(deed: Deed) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            body = await request.json() if request.can_read_body else {}
            return web.json_response(await deed(body))
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer
