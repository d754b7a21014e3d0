"""One prompt on the GPU, from its first message to its place in the history."""

import asyncio
import math
from typing import Any

from simulators.comfyui.core import Core
from simulators.comfyui.memory import Past, Prompt
from simulators.comfyui.nodes import samples
from simulators.comfyui.plan import Plan, Step, give_time, make_plan
from simulators.comfyui.progress import Progress
from simulators.comfyui.saving import draw, save

OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 1.17 GiB. GPU 0 has a total capacity of 23.99 GiB of which 0 bytes is free."
    "\nThis error means you ran out of memory on your GPU"
)


class Interrupted(Exception):
    """Somebody wanted it to stop."""


class NodeFailed(Exception):
    """A node raised `cause`."""

    def __init__(self, step: Step, kind: str, message: str) -> None:
        super().__init__(message)
        self.step, self.kind, self.message = step, kind, message


class Run:
    """Steps are timed from the start of the prompt, so that delays do not add up."""

    def __init__(self, core: Core, prompt: Prompt) -> None:
        self._core = core
        self._prompt = prompt
        self._progress = Progress(core, prompt)
        self._due = core.clock.now()
        self._interrupted = False
        self._alarm: asyncio.Future[None] | None = None
        self._executed: list[str] = []
        self._outputs: dict[str, Any] = {}
        self._now: Step | None = None
        self._drawing: dict[str, asyncio.Task[list[bytes]]] = {}

    def interrupt(self) -> None:
        """Noticed by a ticking node soon, by others when they have ended."""
        self._interrupted = True
        self._core.timers.at(self._core.clock.now() + self._core.config.interrupt_seconds, self._ring)

    async def go(self) -> None:
        core, prompt = self._core, self._prompt
        core.ledger.start(prompt.entry)
        core.hub.status()
        state, error = "success", None
        try:
            await self._perform()
        except Interrupted:
            state = "interrupted"
            self._progress.note("execution_interrupted", everybody=True, **self._where())
        except NodeFailed as failure:
            state, error = "error", f"{failure.kind}: {failure.message}"
            self._progress.note("execution_error", **self._where(), **_told(failure, prompt))
        else:
            self._progress.note("execution_success")
        finally:
            for task in self._drawing.values():
                task.cancel()
        core.memory.node = None
        core.memory.finish(self._past(state))
        core.ledger.end(prompt.entry, state, error)
        self._progress.over()

    def _past(self, state: str) -> Past:
        done = state == "success"
        word = "success" if done else "error"
        status = {"status_str": word, "completed": done, "messages": self._progress.messages}
        outputs = self._outputs if done and self._prompt.order.outputs != "none" else {}
        keys = ("node_id", "display_node", "real_node_id")
        meta = {node: {**dict.fromkeys(keys, node), "parent_node": None} for node in outputs}
        return Past(self._prompt, outputs, status, meta)

    def _where(self) -> dict[str, Any]:
        step = self._now
        told = {"node_id": step.node_id, "node_type": step.class_type} if step else {}
        return {**told, "executed": list(self._executed)}

    # ── the way through the graph ────────────────────────────────────────

    async def _perform(self) -> None:
        core, prompt = self._core, self._prompt
        self._progress.note("execution_start")
        plan = await asyncio.to_thread(
            make_plan, prompt.graph, prompt.outputs, core.storage.find, lambda name: len(core.schema.outputs(name))
        )
        give_time(plan, core.config, prompt.order)
        known = dict(core.memory.cache)
        cached = {step.node_id for step in plan.steps if step.signature in known and step.error is None}
        self._progress.note("execution_cached", nodes=[node for node in prompt.graph if node in cached])
        core.memory.cache = {}
        self._load_models(plan, cached)
        self._start_drawing(plan, cached)
        failing = self._failing(plan)
        for step in plan.steps:
            if step.node_id in cached:
                self._show_cached(step, known[step.signature])
            else:
                await self._execute(step, fails=step.node_id == failing)
            core.memory.cache[step.signature] = self._outputs.get(step.node_id)

    def _load_models(self, plan: Plan, cached: set[str]) -> None:
        working = [step for step in plan.steps if step.node_id not in cached and samples(step.class_type)]
        if working and plan.models - self._core.memory.models:
            self._core.memory.models = plan.models
            self._core.ledger.count("model_loads")
            self._due += self._core.config.load_seconds

    def _start_drawing(self, plan: Plan, cached: set[str]) -> None:
        """Files are drawn while the samplers take their time."""
        for step in plan.steps:
            if step.saves and step.error is None and step.node_id not in cached:
                task = asyncio.create_task(draw(self._core, self._prompt, step))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
                self._drawing[step.node_id] = task

    def _failing(self, plan: Plan) -> str | None:
        """The node at which an order lets the prompt fail or get stuck."""
        order = self._prompt.order
        if order.fail is None and not order.stuck:
            return None
        named = [s for s in plan.steps if order.node in (s.node_id, s.class_type)]
        ticking = [s for s in plan.steps if s.ticks]
        return (named or ticking or plan.steps)[0].node_id

    def _show_cached(self, step: Step, shown: dict[str, Any] | None) -> None:
        if shown is not None:
            self._outputs[step.node_id] = shown
            self._progress.executed(step.node_id, shown)

    async def _execute(self, step: Step, *, fails: bool) -> None:
        self._now = step
        if self._heard:
            raise Interrupted
        self._progress.begin(step.node_id)
        if fails:
            await self._go_wrong(step)
        if step.error is not None:
            raise NodeFailed(step, type(step.error).__name__, f"{step.error}\n")
        if step.saves:
            await self._save(step)
        else:
            await self._tick(step)
        self._progress.finish(step.node_id)
        self._executed.insert(0, step.node_id)
        self._prompt.entry.executed += 1

    async def _tick(self, step: Step) -> None:
        start = self._due
        for value in range(1, step.ticks + 1):
            await self._pass(start + step.seconds * value / step.ticks, hears=True)
            self._progress.tick(step.node_id, value, step.ticks)
        await self._pass(start + step.seconds, hears=False)

    async def _save(self, step: Step) -> None:
        async def encode() -> None:
            await self._pass(self._due + step.seconds, hears=False)

        try:
            shown = await save(self._core, self._prompt, step, await self._drawing[step.node_id], encode)
        except Exception as error:  # whatever goes wrong in a node ends its prompt
            raise NodeFailed(step, type(error).__name__, str(error)) from error
        self._outputs[step.node_id] = shown
        self._progress.executed(step.node_id, shown)

    async def _go_wrong(self, step: Step) -> None:
        order = self._prompt.order
        if order.stuck:
            await self._pass(math.inf, hears=bool(step.ticks))
        await self._pass(self._due + step.seconds / 2, hears=bool(step.ticks))
        if order.fail == "oom":
            raise NodeFailed(step, "torch.OutOfMemoryError", OUT_OF_MEMORY)
        words = "The size of tensor a (16) must match the size of tensor b (48) at non-singleton dimension 1"
        raise NodeFailed(step, "RuntimeError", words if order.fail == "error" else f"{order.fail}")

    # ── time ─────────────────────────────────────────────────────────────

    @property
    def _heard(self) -> bool:
        return self._interrupted and not self._prompt.order.deaf

    async def _pass(self, due: float, *, hears: bool) -> None:
        self._due = due
        while self._core.clock.now() < due:
            self._alarm = asyncio.get_running_loop().create_future()
            if math.isfinite(due):
                self._core.timers.at(due, self._ring)
            await self._alarm
            if hears and self._heard:
                raise Interrupted
        if hears and self._heard:
            raise Interrupted

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)


def _told(failure: NodeFailed, prompt: Prompt) -> dict[str, Any]:
    inputs = failure.step.inputs.items()
    plain = {name: [value] for name, value in inputs if isinstance(value, (str, int, float, bool))}
    return {
        "exception_message": failure.message,
        "exception_type": failure.kind,
        "traceback": ["(simulated)"],
        "current_inputs": plain,
        "current_outputs": list(prompt.graph),
    }
