"""A saving node at work: a file that is there before it is whole."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from simulators.comfyui.core import Core
from simulators.comfyui.memory import Prompt
from simulators.comfyui.metadata import in_mp4, in_png
from simulators.comfyui.plan import Step
from simulators.comfyui.storage import SavedFile
from simulators.comfyui.values import Video

Encoding = Callable[[], Awaitable[None]]
"""Lets the time pass that encoding takes."""


async def draw(core: Core, prompt: Prompt, step: Step) -> list[bytes]:
    """The files of one saving node, ready to be written."""
    made, kind = step.made[0], prompt.order.file
    if isinstance(made, Video):
        drawn = [await core.artist.video(made, kind)]
    else:
        drawn = [await core.artist.picture(made, number, kind) for number in range(made.count)]
    words = _words(core, prompt)
    inscribe = in_mp4 if isinstance(made, Video) else in_png
    return [inscribe(data, words) for data in drawn]


def _words(core: Core, prompt: Prompt) -> dict[str, str]:
    if not core.config.metadata:
        return {}
    extra = prompt.extra.get("extra_pnginfo") or {}
    return {"prompt": json.dumps(prompt.graph), **{key: json.dumps(value) for key, value in extra.items()}}


async def save(core: Core, prompt: Prompt, step: Step, drawn: list[bytes], encode: Encoding) -> dict[str, Any]:
    """Write them while the time passes; returns what the node shows."""
    video = step.class_type == "SaveVideo"
    temp = step.class_type == "PreviewImage" or prompt.order.outputs == "temp"
    files: list[SavedFile] = []
    for data in drawn:
        prefix = step.inputs.get("filename_prefix", "ComfyUI")
        file = core.storage.new_file(prefix, ".mp4" if video else ".png", "temp" if temp else "output")
        core.storage.place(file).write_bytes(data[: len(data) // 2])
        files.append(file)
    await encode()
    await asyncio.to_thread(_complete, core, prompt, files, drawn)
    prompt.entry.files += [f"{file.subfolder}/{file.filename}".lstrip("/") for file in files]
    shown: dict[str, Any] = {"images": [file.to_json() for file in files]}
    return {**shown, "animated": [True]} if video else shown


def _complete(core: Core, prompt: Prompt, files: list[SavedFile], drawn: list[bytes]) -> None:
    for file, data in zip(files, drawn, strict=True):
        path = core.storage.place(file)
        match prompt.order.file:
            case "missing":
                path.unlink(missing_ok=True)
            case "empty":
                path.write_bytes(b"")
            case "truncated":
                pass  # what is there stays
            case _:
                path.write_bytes(data)
