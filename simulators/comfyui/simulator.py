"""A ComfyUI server as a whole: its parts put together, and the handles tests hold it by."""

import os
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

from simulators import admin
from simulators.comfyui.config import ComfyConfig, RunOrder
from simulators.comfyui.core import Core
from simulators.comfyui.doors import application
from simulators.comfyui.drawing import Artist
from simulators.comfyui.gpu import Gpu
from simulators.comfyui.ledger import Ledger
from simulators.comfyui.memory import Memory
from simulators.comfyui.schema import NodeSchema
from simulators.comfyui.storage import Storage
from simulators.comfyui.submission import Submission
from simulators.comfyui.validation import Graph
from simulators.comfyui.words import AiohttpWords
from simulators.faults import Plan, Rule, Text
from simulators.journal import Journal
from simulators.simulator import Simulator


class ComfySimulator(Simulator[ComfyConfig]):
    """One host: api. Its memory is lost by `restart`, by `die` and with its process; output and input stay."""

    name: ClassVar[str] = "comfyui"

    def __init__(self, config: ComfyConfig | None = None) -> None:
        super().__init__(config or ComfyConfig())
        config = self.config
        self._orders: Plan[RunOrder] = Plan(config.seed, Rule[RunOrder].model_validate, first_id=1001)
        self.ledger = Ledger(Journal(config.data / "ledger.jsonl" if config.persist and config.data else None))

    def order(self, match: str = "", *, count: int | None = None, nth: int = 1, **what: Any) -> int:
        """What becomes of the prompts whose body contains `match`; see `RunOrder` for the words."""
        return self.add_rule(
            {"route": "run", "match": match, "script": [what], "repeat": True, "count": count, "nth": nth}
        )

    def add_foreign_prompt(self, seconds: float, count: int = 1) -> list[str]:
        """Somebody else queues prompts that take so many virtual seconds each. Returns their ids."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        for prompt_id in ids:
            number = self._core.memory.next_number()
            graph = _somebody_elses_graph(number)
            order = RunOrder(seconds=seconds)
            extra = {"client_id": "somebody-else"}
            self._submission.accept(prompt_id, graph, ["3"], extra, number, Text(""), order=order, foreign=True)
        return ids

    async def restart(self, seconds: float = 0.0) -> None:
        """The process ends at once and, after so many real seconds, a new one listens on the same port."""
        self.ledger.count("restarts")
        await self._lose_everything()
        if seconds:
            await self.refuse_connections("api", seconds)
        else:
            await self.accept_connections("api")

    async def die(self) -> None:
        """The process ends and nobody starts another; `accept_connections("api")` does."""
        await self._lose_everything()

    async def _lose_everything(self) -> None:
        await self.refuse_connections("api")
        self._core.hub.drop()
        await self._forget_memory()
        self._core.storage.wipe_temp()

    async def _forget_memory(self) -> None:
        await self._gpu.stop()
        memory, self._core.memory = self._core.memory, Memory()
        lost = [entry[3] for entry in memory.pending] + ([memory.running] if memory.running else [])
        self.ledger.lose(prompt.entry for prompt in lost)
        self.errands.send(self._gpu.work())

    # ── putting together ─────────────────────────────────────────────────

    async def open(self) -> None:
        config = self.config
        storage = Storage(self.folder, config)
        self._core = Core(
            config=config,
            clock=self.clock,
            timers=self.timers,
            ledger=self.ledger,
            storage=storage,
            schema=NodeSchema(config, storage.inputs),
            artist=Artist(config, _drawings(config)),
            orders=self._orders,
            broken=self.errands.note,
        )
        self._gpu = Gpu(self._core)
        self._submission = Submission(self._core, lambda: self.errands.send(self.die()))
        self.errands.send(self._gpu.work())

    def applications(self) -> dict[str, tuple[int, web.Application]]:
        desk = self.desk(AiohttpWords())
        return {"api": (self.config.port, application(self._core, self._gpu, self._submission, desk))}

    async def close(self) -> None:
        if hasattr(self, "_core"):
            self._core.hub.drop()
            await self._core.artist.close()
        self.ledger.close()

    # ── what the admin door asks ─────────────────────────────────────────

    def deeds(self) -> dict[str, admin.Deed]:
        async def restart(body: dict[str, Any]) -> dict[str, Any]:
            await self.restart(float(body.get("seconds", 0)))
            return {"restarted": True}

        async def die(body: dict[str, Any]) -> dict[str, Any]:
            await self.die()
            return {"dead": True}

        async def foreign(body: dict[str, Any]) -> dict[str, Any]:
            return {"ids": self.add_foreign_prompt(float(body.get("seconds", 10)), int(body.get("count", 1)))}

        async def drop_sockets(body: dict[str, Any]) -> dict[str, Any]:
            self._core.hub.drop()
            return {"dropped": True}

        return {"restart": restart, "die": die, "foreign": foreign, "drop_sockets": drop_sockets}

    def add_rule(self, rule: Mapping[str, Any]) -> int:
        return self._orders.add(dict(rule)) if rule.get("route") == "run" else super().add_rule(rule)

    def rules(self) -> list[dict[str, Any]]:
        return super().rules() + self._orders.listing()

    def clear_faults(self) -> None:
        super().clear_faults()
        self._orders.clear()

    def forget(self) -> None:
        """Errands have been cancelled already, the GPU's among them."""
        self._core.memory = Memory()
        self._core.storage.empty()
        self.ledger.forget()
        self.errands.send(self._gpu.work())

    def counters(self) -> dict[str, Any]:
        return self.ledger.counters()

    def ledger_parts(self) -> dict[str, Callable[[], Any]]:
        return self.ledger.parts()


def _somebody_elses_graph(seed: int) -> Graph:
    """What a person in the browser is playing with."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
        "2": {"class_type": "ImageAddNoise", "inputs": {"image": ["1", 0], "seed": seed, "strength": 0.5}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "ComfyUI"}},
    }


def _drawings(config: ComfyConfig) -> Path:
    """Where drawn files are kept. Without a place of our own: one for everybody, since they never change."""
    shared = Path(tempfile.gettempdir()) / f"longtake-clips-{os.getuid()}"
    folder = config.cache or (config.data / "drawings" if config.data else shared)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
