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
)
OUT_OF_MEMORY_TIPS = "This error means you ran out of memory on your GPU."


class Interrupted(Exception):
    """Somebody wanted it to stop."""


class NodeFailed(Exception):
    """A node raised something. `message`: as the server tells it, with a line for tips."""

    def __init__(self, kind: str, words: str, tips: str = "") -> None:
        super().__init__(words)
        self.kind, self.message = kind, f"{words}\n{tips}"


class Run:
    """Steps are timed from the start of the prompt, so that delays do not add up."""

    def __init__(self, core: Core, prompt: Prompt) -> None:
        self._core = core
        self._prompt = prompt
        self._progress = Progress(core, prompt)
        self._due = core.clock.now()
        self._interrupted = False
        self._to_lose = prompt.order.lost_interrupts
        self._alarm: asyncio.Future[None] | None = None
        self._executed: list[str] = []
        self._outputs: dict[str, Any] = {}
        self._now: Step | None = None
        self._drawing: dict[str, asyncio.Task[list[bytes]]] = {}

    def interrupt(self) -> None:
        """Noticed by a ticking node soon, by others when they have ended; or never, at the very start of a prompt."""
        if self._to_lose:
            self._to_lose -= 1
            return
        self._interrupted = True
        self._core.timers.at(self._core.clock.now() + self._core.config.interrupt_seconds, self._ring)

    async def go(self) -> None:
        core, prompt = self._core, self._prompt
        core.ledger.start(prompt.entry)
        core.hub.status()
        state, failure = "success", None
        try:
            await self._perform()
        except Interrupted:
            state = "interrupted"
        except NodeFailed as error:
            state, failure = "error", error
        except Exception as error:  # a fault of ours: the prompt fails, the GPU goes on, and the test is told
            core.broken(error)
            state, failure = "error", NodeFailed(type_name(error), str(error))
        finally:
            for task in self._drawing.values():
                task.cancel()
        self._end_with(state, failure)
        await asyncio.sleep(core.config.history_lag)
        core.memory.node = None
        core.memory.finish(self._past(state))
        core.ledger.end(prompt.entry, state, f"{failure.kind}: {failure}" if failure else None)
        self._progress.over()

    def _end_with(self, state: str, failure: NodeFailed | None) -> None:
        if failure is not None:
            self._progress.note("execution_error", **self._where(), **self._told(failure))
        elif state == "interrupted":
            self._progress.note("execution_interrupted", everybody=True, **self._where())
        else:
            self._progress.note("execution_success")

    def _past(self, state: str) -> Past:
        """What has been saved stays told, however the prompt ended."""
        done = state == "success"
        word = "success" if done else "error"
        status = {"status_str": word, "completed": done, "messages": self._progress.messages}
        outputs = self._outputs if self._prompt.order.outputs != "none" else {}
        keys = ("node_id", "display_node", "real_node_id")
        meta = {node: {**dict.fromkeys(keys, node), "parent_node": None} for node in outputs}
        return Past(self._prompt, outputs, status, meta)

    def _where(self) -> dict[str, Any]:
        step = self._now
        told = {"node_id": step.node_id, "node_type": step.class_type} if step else {}
        return {**told, "executed": list(self._executed)}

    def _told(self, failure: NodeFailed) -> dict[str, Any]:
        inputs = self._now.inputs.items() if self._now else ()
        return {
            "exception_message": failure.message,
            "exception_type": failure.kind,
            "traceback": ["(simulated)"],
            "current_inputs": {n: [value] for n, value in inputs if isinstance(value, (str, int, float, bool))},
            "current_outputs": list(self._prompt.graph),
        }

    # ── the way through the graph ────────────────────────────────────────

    async def _perform(self) -> None:
        core, prompt = self._core, self._prompt
        self._progress.note("execution_start")
        plan = await asyncio.to_thread(make_plan, prompt.graph, prompt.outputs, core.storage.find, core.schema)
        known = {step.node_id: core.memory.cache[step.signature] for step in plan.steps if self._is_known(step)}
        left = [step for step in plan.steps if step.node_id not in known]
        give_time(left, core.config, prompt.order)
        self._progress.note("execution_cached", nodes=[node for node in prompt.graph if node in known])
        core.memory.cache = {step.signature: known[step.node_id] for step in plan.steps if step.node_id in known}
        self._load_models(plan, left)
        self._start_drawing(left)
        failing = self._failing(left)
        for step in plan.steps:
            if step.node_id in known:
                self._show_cached(step, known[step.node_id])
            else:
                await self._execute(step, fails=step is failing)
                core.memory.cache[step.signature] = self._outputs.get(step.node_id)

    def _is_known(self, step: Step) -> bool:
        return step.error is None and step.signature in self._core.memory.cache

    def _load_models(self, plan: Plan, left: list[Step]) -> None:
        if any(samples(step.class_type) for step in left) and plan.models - self._core.memory.models:
            self._core.memory.models = plan.models
            self._core.ledger.count("model_loads")
            self._due += self._core.config.load_seconds

    def _start_drawing(self, left: list[Step]) -> None:
        """Files are drawn while the samplers take their time."""
        for step in left:
            if step.saves and step.error is None:
                task = asyncio.create_task(draw(self._core, self._prompt, step))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
                self._drawing[step.node_id] = task

    def _failing(self, left: list[Step]) -> Step | None:
        """Where an order lets the prompt fail or get stuck. `ValueError`: it names a node that is not there."""
        order = self._prompt.order
        if order.fail is None and not order.stuck:
            return None
        if order.node is None:
            return next((step for step in left if step.ticks), left[0] if left else None)
        if order.node not in {name for node, told in self._prompt.graph.items() for name in (node, told["class_type"])}:
            raise ValueError(f"an order names node {order.node!r}, and the prompt has none of this id or class")
        return next((step for step in left if order.node in (step.node_id, step.class_type)), None)

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
            raise NodeFailed(type_name(step.error), str(step.error))
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
            raise NodeFailed(type_name(error), str(error)) from error
        self._outputs[step.node_id] = shown
        self._progress.executed(step.node_id, shown)

    async def _go_wrong(self, step: Step) -> None:
        order = self._prompt.order
        if order.stuck:
            await self._pass(math.inf, hears=bool(step.ticks))
        await self._pass(self._due + step.seconds / 2, hears=bool(step.ticks))
        if order.fail == "oom":
            raise NodeFailed("torch.OutOfMemoryError", OUT_OF_MEMORY, OUT_OF_MEMORY_TIPS)
        words = "The size of tensor a (16) must match the size of tensor b (48) at non-singleton dimension 1"
        raise NodeFailed("RuntimeError", words if order.fail == "error" else f"{order.fail}")

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


def type_name(error: Exception) -> str:
    """As the server names it; what is an exception of ours is a plain one there."""
    kind = type(error)
    if kind.__module__.partition(".")[0] in ("simulators", "studio"):
        return "Exception"
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
