"""`starter.py up`: the embedded stack in the foreground."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from commands.session import err, fail, out, show_json
from local.addresses import ADDRESSES, announce
from local.processes import ProcessFailed
from local.stack import Stack, StackOptions, running_stack
from local.supervisor import Supervisor

_SECRETS = ("_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_USERHASH", "_KEY_ID", "DATABASE_URL")
"""How the names of settings end that no terminal and no log of a CI shall hold."""


def up(
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data"),
    speed: Annotated[float, typer.Option(help="How much faster than real the simulated Kling works.")] = 20.0,
    real: Annotated[
        bool, typer.Option("--real", help="Order at the real KIE.ai with the KIE_API_KEY of the environment.")
    ] = False,
    gpus: Annotated[
        int, typer.Option(min=0, max=16, help="Simulated ComfyUI servers, each with a worker, for videos by comfyui.")
    ] = 0,
    comfyui: Annotated[
        list[str] | None, typer.Option("--comfyui", help="A real ComfyUI server, http://host:8188; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Start the stack: Temporal with its web UI, PostgreSQL, a simulated KIE.ai, workers. Ctrl-C stops it all.

    Videos by comfyui need servers: simulated ones (--gpus 2), or your own (--comfyui http://127.0.0.1:8188).
    """
    if real and not os.environ.get("KIE_API_KEY"):
        fail("--real needs KIE_API_KEY in the environment")
    if gpus and comfyui:
        fail("--gpus: simulated servers, --comfyui: real ones; say one of them")
    options = StackOptions(
        data=data, simulate=not real, speed=1.0 if real else speed, gpus=gpus, comfyui_servers=comfyui or ()
    )
    try:
        asyncio.run(_up(options, as_json))
    except ProcessFailed as error:
        fail(str(error))


async def _up(options: StackOptions, as_json: bool) -> None:
    """Raises `ProcessFailed` when the stack does not start, or when what it cannot do without keeps ending."""
    signals = Signals()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signals.arrived)

    async def serve() -> None:
        async with running_stack(options) as stack:
            signals.hurry = stack.hurry
            announce(stack.data)
            show_json(addresses(stack)) if as_json else show_addresses(stack)
            supervisor = asyncio.create_task(Supervisor(stack.children, err.tell if as_json else out.tell).run())
            try:
                await asyncio.wait([supervisor])
            finally:
                supervisor.cancel()
            supervisor.result()

    serving = asyncio.create_task(serve())
    signals.stop = serving.cancel
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()
    elif not as_json:
        out.print("stopped")


class Signals:
    """Ctrl-C: the first one stops the stack, and a further one does not wait for it."""

    def __init__(self) -> None:
        self.stop: Callable[[], object] = lambda: None
        self.hurry: Callable[[], object] = lambda: None
        self._stopping = False

    def arrived(self) -> None:
        """Take a signal."""
        if self._stopping:
            self.hurry()
            return
        self._stopping = True
        err.tell("Stopping: work under way may be finished first, an order above all. Ctrl-C again ends it at once.")
        self.stop()


def addresses(stack: Stack) -> dict[str, str]:
    """How to reach a stack, for programs. No secret: those are in a file that only its owner reads."""
    secrets = [name for name in stack.environment if name.endswith(_SECRETS)]
    shown = {name: value for name, value in stack.environment.items() if name not in secrets}
    return shown | {
        "ui_url": stack.temporal.ui_url,
        "logs": str(stack.logs),
        "postgres": f"127.0.0.1:{stack.postgres.port}/longtake",
        "secrets_file": str(stack.data / ADDRESSES),
    }


def show_addresses(stack: Stack) -> None:
    """How to reach a stack, for people."""
    for note in stack.notes:
        out.tell(note)
    for name, value in address_lines(stack).items():
        out.print(f"{name:<11} {value}", highlight=False, soft_wrap=True)
    example = "examples/harbour_comfyui.yaml" if stack.comfyui_urls else "examples/harbour.yaml"
    out.print(f"Try: starter.py video start {example} --wait       Ctrl-C stops everything.", highlight=False)


def address_lines(stack: Stack) -> dict[str, str]:
    """What a stack consists of, and where: name → words."""
    lines = {
        "web UI": stack.temporal.ui_url,
        "Temporal": stack.temporal.address,
        "PostgreSQL": f"127.0.0.1:{stack.postgres.port}, database longtake (DSN in {stack.data}/stack.json)",
        "objects": str(stack.data / "objects"),
        "KIE.ai": _kie(stack),
        "ComfyUI": _comfyui(stack),
        "logs": str(stack.logs),
    }
    return {name: value for name, value in lines.items() if value}


def _kie(stack: Stack) -> str:
    """Nothing when this stack orders nothing there."""
    if stack.kie:
        return f"simulated, {stack.kie['api_url']}"
    return "real" if stack.options.order else ""


def _comfyui(stack: Stack) -> str:
    """The servers that videos by comfyui are spread over."""
    urls = ", ".join(server["api_url"] for server in stack.comfyui_urls.values())
    return f"simulated, {urls}" if stack.options.gpus else urls
