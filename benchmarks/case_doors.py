"""Files as people and providers bring them, each given to the part of the product that meets it first."""

import asyncio
import io
import json
import re
import tempfile
from collections.abc import Awaitable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import typer.main

from benchmarks.isolated import Door, Refused
from comfy_workflows import check
from comfy_workflows.own import read_own_graph
from studio.contracts.clip import CameraMove
from studio.errors import MediaError
from studio.media.animatic import render_clip
from studio.media.concat import join
from studio.media.probe import MediaInfo, probe
from studio.media.still import shown_size
from studio.media.stills import draw_still
from studio.media.trim import trim_clip
from studio.media.verify import Ordered, examine_clip, verify_clip
from studio.providers.comfyui import ComfyClient
from studio.providers.kie import KieClient

WIDTH, HEIGHT = 320, 180
"""Size of the clips that a clip is joined with, unless the folder has a pair of its own."""
MOVIE = (1_920, 1_080)
"""Size of the video a still is meant for."""
OLD_SERVER = b'{"system": {"comfyui_version": "0.3.60"}, "devices": []}'
"""The statistics of a ComfyUI server that has queue and history, and no jobs."""
PROMPT_ID = "00000000-0000-4000-8000-000000000001"


# ── clips ────────────────────────────────────────────────────────────────


async def clip(path: Path) -> str:
    """A clip through probe, the checks of a delivery, trim, and a join between two clean clips."""
    info = await asyncio.to_thread(probe, path)
    with tempfile.TemporaryDirectory(prefix="case-") as name:
        folder = Path(name)
        before, after = await asyncio.to_thread(_neighbours, path.parent, folder)
        ordered = await asyncio.to_thread(_as_ordered, before)
        joined = await _tried(_joined(before, path, after, folder / "joined.mp4"))
        parts = {
            "seen as": _seen(info),
            "as delivered": await _tried(_examined(path, ordered)),
            "strictly": await _tried(_verified(path, ordered)),
            "trimmed": await _tried(_trimmed(path, folder / "trimmed.mp4", info)),
            "joined": joined,
        }
    text = "; ".join(f"{name}: {said}" for name, said in parts.items())
    if joined.startswith("refused"):
        raise Refused(text)
    return text


def _seen(info: MediaInfo) -> str:
    return f"{info.codec} {info.shown_width}x{info.shown_height} {float(info.fps):.3f} fps {info.frames} frames"


async def clips(folder: Path) -> str:
    """All clips of a folder in one join, whatever their names are."""
    paths = await asyncio.to_thread(lambda: sorted(path for path in folder.iterdir() if path.is_file()))
    with tempfile.TemporaryDirectory(prefix="case-") as name:
        made = await join(paths, Path(name) / "joined.mp4")
    return f"{len(paths)} clips in one video of {made.info.frames} frames"


def _neighbours(folder: Path, scratch: Path) -> tuple[Path, Path]:
    found = [path for path in sorted(folder.glob("0[12]_base*.mp4")) if path.is_file()]
    if len(found) == 2:
        return found[0], found[1]
    drawn = scratch / "drawn.mp4"
    still = scratch / "still.png"
    draw_still("A harbour at dawn", width=2 * WIDTH, height=2 * HEIGHT).image.save(still)
    render_clip(still, drawn, move=CameraMove.PAN_RIGHT, strength=0.5, seconds=1, width=WIDTH, height=HEIGHT)
    return drawn, drawn


def _as_ordered(neighbour: Path) -> Ordered:
    info = probe(neighbour)
    return Ordered(seconds=info.seconds, width=info.shown_width, height=info.shown_height, moving=True)


async def _examined(path: Path, ordered: Ordered) -> str:
    examined = await asyncio.to_thread(examine_clip, path, ordered)
    return ", ".join(fault.text for fault in examined.deviations) or "as ordered"


async def _verified(path: Path, ordered: Ordered) -> str:
    await asyncio.to_thread(verify_clip, path, ordered)
    return "good"


async def _trimmed(path: Path, target: Path, info: MediaInfo) -> str:
    written = await trim_clip(path, target, max(1, info.frames // 2))
    return f"{written.frames} frames"


async def _joined(before: Path, path: Path, after: Path, target: Path) -> str:
    made = await join([before, path, after], target)
    info, notes = made.info, ["converted" if 1 in made.conformed else "copied"]
    notes += ["its sound is left out"] if 1 in made.silenced else []
    notes += ["tone-mapped"] if 1 in made.tone_mapped else []
    first = await join([path, before, after], target)
    alone = await join([path, path], target)
    return (
        f"{info.frames} frames {info.seconds:.3f} s {info.shown_width}x{info.shown_height} ({', '.join(notes)}); "
        f"as the first {first.info.frames}, twice itself {alone.info.frames} frames {alone.info.pix_fmt}"
    )


async def _tried(work: Awaitable[str]) -> str:
    """What one of several parts makes of a file; a refusal is an answer, anything else is raised."""
    try:
        return await work
    except MediaError as error:
        return f"refused, {error}"


# ── stills and video files ───────────────────────────────────────────────


async def still(path: Path) -> str:
    """A still in a video file for Kling of 1920x1080; and, where its shape does not fit, in one of its own shape."""
    outcome = await asyncio.to_thread(_still, path, MOVIE)
    if "shape" not in outcome:
        return _raised_if_refused(outcome)
    width, height, _ = await asyncio.to_thread(lambda: shown_size(path.read_bytes()))
    own = (width & ~1, height & ~1)
    return _raised_if_refused(
        f"{outcome}; in a video of {own[0]}x{own[1]}: {await asyncio.to_thread(_still, path, own)}"
    )


def _still(path: Path, size: tuple[int, int]) -> str:
    lines = ["video: case", "channel: cases", f"width: {size[0]}", f"height: {size[1]}", "clips:"]
    lines += [f"  - still: {json.dumps(str(path))}", "    prompt: Waves roll onto the beach. Slow pan right."]
    with tempfile.TemporaryDirectory(prefix="case-") as folder:
        file = Path(folder) / "video.yaml"
        file.write_text("\n".join(lines), encoding="utf-8")
        said = _checked(file)
    return said.replace(str(path), path.name)


def _raised_if_refused(text: str) -> str:
    if text.startswith("refused"):
        raise Refused(text.removeprefix("refused: "))
    return text


async def video_file(path: Path) -> str:
    """A video file through the command `video check`."""
    return _raised_if_refused(await asyncio.to_thread(_checked, path))


def _checked(path: Path) -> str:
    """What the command line says of a video file."""
    code, text = _command("video", "check", str(path))
    if "Traceback (most recent call last)" in text:
        raise RuntimeError(text.strip().splitlines()[-1])
    if code not in (0, 2):
        raise RuntimeError(f"exit code {code}: {text}")
    said = "\n".join(line for line in text.splitlines() if not line.startswith("`video "))  # the next command
    return said.replace(f"{path} is right", "right") if code == 0 else f"refused: {said.replace(f'{path}: ', '', 1)}"


def _command(*words: str) -> tuple[int, str]:
    from starter import app

    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            typer.main.get_command(app).main(list(words), prog_name="starter.py")
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code)), said.getvalue()
    return 0, said.getvalue()


# ── KIE.ai ───────────────────────────────────────────────────────────────


async def kie(path: Path) -> str:
    """An answer of KIE.ai's: to an order (`c…`), or to a look at a task (any other name)."""
    status = int(found[1]) if (found := re.search(r"http(\d{3})", path.name)) else 200
    async with _answering(await asyncio.to_thread(path.read_bytes), status, {}) as http:
        client = KieClient(http, http, http)
        if path.name.startswith("c"):
            task = await client.create_task(
                model="kling/v2-5-turbo-image-to-video-pro", prompt="p", image_url="https://x.example/a.png", seconds=5
            )
            return f"ordered as task {task}"
        found_task = await client.record_info("task_demo_1")
    if found_task.state == "fail":
        error = found_task.failed()
        raise Refused(f"{type(error).__name__}: {error} (billed {found_task.credits} credits)")
    urls = ", ".join(found_task.urls)
    return f"{found_task.state}; files: {urls or 'none'}; credits {found_task.credits}; {found_task.seconds:g} s"


# ── ComfyUI ──────────────────────────────────────────────────────────────


async def comfy(path: Path) -> str:
    """An answer of a ComfyUI server's by the first letters of its name, or a graph in API format."""
    content = await asyncio.to_thread(path.read_bytes)
    if path.name.startswith("h"):
        return await _history(content)
    if path.name.startswith("p"):
        return await _submitted(content, 200 if "200" in path.name else 400)
    if path.name.startswith("q"):
        return await _queue(content)
    if path.name.startswith("object_info"):
        return await _object_info(content)
    template = await asyncio.to_thread(read_own_graph, content, name=re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)[:100])
    return f"graph of {len(template.graph)} nodes, {template.declaration.type}"


async def _history(content: bytes) -> str:
    empty = b'{"queue_running": [], "queue_pending": []}'
    answers = {"/history/PROMPT_ID": content, "/queue": empty, "/system_stats": OLD_SERVER}
    async with _answering(b"{}", 404, answers) as http:
        job = await ComfyClient(http).look_up("PROMPT_ID")
    if job is None:
        return "the server knows nothing of it"
    if job.state in ("failed", "interrupted"):
        raise job.error()
    node = _output_node(json.loads(content))
    output = job.output(node, "video")
    return f"{job.state}; {len(job.saved(node, 'video'))} files of node {node}, the first is {output.path}"


def _output_node(body: Any) -> str:
    """The node that saves the clip: one titled `out:video`, else one that reported a file."""
    entry = body.get("PROMPT_ID") if isinstance(body, dict) else None
    prompt = entry.get("prompt") if isinstance(entry, dict) else None
    graph = prompt[2] if isinstance(prompt, list) and len(prompt) > 2 and isinstance(prompt[2], dict) else {}
    titled = [node for node, one in graph.items() if "out:video" in str(one)]
    outputs = entry.get("outputs") if isinstance(entry, dict) else None
    told = outputs if isinstance(outputs, dict) else {}
    reported = [node for node in titled if told.get(node)]
    saved = [node for node, one in told.items() if "filename" in str(one)]
    return str([*reported, *saved, *titled, "108"][0])


async def _submitted(content: bytes, status: int) -> str:
    graph = {"1": {"class_type": "LoadImage", "inputs": {}, "_meta": {"title": "a picture"}}}
    async with _answering(b"{}", 404, {"/prompt": (content, status), "/system_stats": OLD_SERVER}) as http:
        await ComfyClient(http).submit(graph, prompt_id=PROMPT_ID, client_id="case")
    return "queued"


async def _queue(content: bytes) -> str:
    async with _answering(b"{}", 404, {"/queue": content}) as http:
        queue = await ComfyClient(http).queue()
    running, pending = ([one.prompt_id for one in some] for some in (queue.running, queue.pending))
    return f"running: {', '.join(running) or 'none'}; waiting: {', '.join(pending) or 'none'}"


async def _object_info(content: bytes) -> str:
    async with _answering(b"{}", 404, {"/object_info": content, "/system_stats": OLD_SERVER}) as http:
        nodes = await ComfyClient(http).object_info()
    graph = {
        str(place): {"class_type": name, "inputs": {}, "_meta": {"title": name}} for place, name in enumerate(nodes)
    }
    found = check.check_graph(graph, nodes)
    return f"{len(nodes)} nodes; bare ones of them would give {len(check.serious(found))} complaints"


Answer = bytes | tuple[bytes, int]


def _answering(content: bytes, status: int, answers: Mapping[str, Answer]) -> httpx.AsyncClient:
    """A client of a server that gives one answer, or one for each path."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.path, (content, status))
        body, code = (found, 200) if isinstance(found, bytes) else found
        return httpx.Response(code, content=body)

    return httpx.AsyncClient(base_url="https://case.example", transport=httpx.MockTransport(answer))


DOORS: dict[str, Door] = {
    **{"clips": clip, "stills": still, "films": video_file, "videos": video_file, "kie": kie, "comfy": comfy},
}
"""By the name of the folder."""
