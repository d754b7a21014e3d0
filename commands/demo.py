"""`starter.py demo`: a video from nothing, on the embedded stack, through the production code."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import httpx
import typer
import yaml

from commands.models import built_video
from commands.running import Handle, look, settled, start_video
from commands.session import WRONG_INPUT, Session, fail, open_session, out, show_json
from commands.stills import STORY, TITLE, Part, draw_stills, render_stills
from commands.table import SETTLED, follow
from commands.telling import show_result
from commands.up import show_addresses
from commands.video_file import put_stills, read_video_file
from local.processes import ProcessFailed, free_port
from local.stack import Stack, StackOptions, running_stack
from studio.contracts.clip import MOST_VARIANTS, ClipStatus
from studio.contracts.video import Provider, VideoProgress, VideoResult, VideoStatus
from studio.media.probe import probe

CHANNEL = "demo"
SPEED = 25.0
"""Kling's two to four minutes become five to ten seconds."""
GPUS = 2
"""ComfyUI servers of a rehearsal with ComfyUI."""
TYPICAL_SECONDS = 165.0


@dataclass
class Report:
    """What a demo shows, also as JSON."""

    clips: int
    pictures: int
    """Stills that ComfyUI made."""
    submissions: int
    """Clips that a provider was asked for."""
    billed: int
    refused: int
    worker_kills: int
    callbacks_lost: int
    replies_lost: int
    status: str
    message: str
    """Why it is not ready."""
    verified: bool
    seconds: float
    video: str
    sheet: str
    cost_usd: str
    ui_url: str


def demo(
    clips: Annotated[int, typer.Option(min=1, max=500, help="How many clips.")] = 6,
    seconds: Annotated[int, typer.Option(help="Length of a clip: 5 or 10.")] = 5,
    provider: Annotated[Provider, typer.Option(help="Who makes the clips.")] = Provider.KLING,
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data"),
    faults: Annotated[
        bool,
        typer.Option("--faults", help="A kill -9 of the worker; Kling: a 429, lost callbacks; ComfyUI: lost replies."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Make stills, have clips made of them by a simulated provider, join a video. Everything is stopped at the end.

    Kling makes clips of stills that are drawn here, ComfyUI makes the stills as well, animatic needs no provider.
    """
    if seconds not in (5, 10):
        fail("--seconds: 5 or 10", code=WRONG_INPUT)
    simulate = provider is Provider.KLING
    # Nobody listens there: KIE.ai calls back, and only the looks find out that a clip is done.
    settings = {"KIE_CALLBACK_URL": f"http://127.0.0.1:{free_port()}"} if faults else {}
    options = StackOptions(
        data=data,
        simulate=simulate,
        order=simulate,
        gpus=GPUS if provider is Provider.COMFYUI else 0,
        speed=SPEED,
        kie={"workers": 2},
        settings=settings,
    )
    try:
        report = asyncio.run(_demo(options, clips, cast(Literal[5, 10], seconds), provider, faults, as_json))
    except ProcessFailed as error:
        fail(str(error))
    if as_json:
        show_json(asdict(report))
    if report.status != VideoStatus.VIDEO_READY or (provider is not Provider.ANIMATIC and report.submissions != clips):
        fail(
            f"{report.status}: {report.submissions} submissions for {clips} clips - {report.message or 'see the logs'}"
        )


async def _demo(
    options: StackOptions, clips: int, seconds: Literal[5, 10], provider: Provider, faults: bool, as_json: bool
) -> Report:
    began, folder = time.monotonic(), options.data / "demo"
    parts = [STORY[place % len(STORY)] for place in range(clips)]
    async with running_stack(options) as stack, open_session(stack.data) as session:
        if not as_json:
            show_addresses(stack)
        before = await _ordered(stack)
        stills, pictures = await _stills(session, folder, parts, provider)
        if pictures and not as_json:
            out.print(f"ComfyUI made {pictures} stills: {folder / 'pictures'}", highlight=False, soft_wrap=True)
        video = await built_video(session, write_video(folder / "video.yaml", parts, stills, seconds, provider))
        await put_stills(video, session.objects)
        if faults:
            await _misbehave(stack)
        handle = await start_video(session, video.request)
        kills = await _kill_worker_midway(stack, handle) if faults else 0
        progress = await _watch(handle, as_json)
        outcome = await handle.result() if progress.status is VideoStatus.VIDEO_READY else None
        report = Report(
            clips=progress.total,
            pictures=pictures,
            worker_kills=kills,
            **await _seen(stack, pictures, before),
            status=progress.status,
            message=progress.message,
            verified=outcome is not None and await _verify(session, outcome),
            seconds=round(time.monotonic() - began, 1),
            video=session.place(outcome.video.key) if outcome else "",
            sheet=session.place(outcome.sheet.key) if outcome else "",
            cost_usd=str(outcome.total_cost_usd if outcome else progress.cost_usd),
            ui_url=stack.temporal.ui_url,
        )
        if outcome is not None and not as_json:
            show_result(session, outcome)
            _show_ledger(report, provider, faults)
        return report


# ── the video ─────────────────────────────────────────────────────────────────


async def _stills(session: Session, folder: Path, parts: Sequence[Part], provider: Provider) -> tuple[list[Path], int]:
    """The stills, and how many of them a provider made just now."""
    if provider is Provider.COMFYUI:
        return await render_stills(session, CHANNEL, parts, folder / "pictures")
    return await asyncio.to_thread(draw_stills, folder / "stills", parts), 0


def write_video(
    path: Path, parts: Sequence[Part], stills: Sequence[Path], seconds: Literal[5, 10], provider: Provider
) -> Path:
    """Write a video file in the folder above the stills'.

    A rehearsal asks for further takes of the stills it shares with the one before: each makes its own clips.
    """
    variant = _last_variant(path) % MOST_VARIANTS + 1
    document = {
        "video": f"demo-{datetime.now():%Y%m%d-%H%M%S}",
        "channel": CHANNEL,
        "title": TITLE,
        "provider": str(provider),
        "seconds": seconds,
        "clips": [
            {
                "still": str(still.relative_to(path.parent)),
                "prompt": {"action": action, "details": details, "camera": camera},
                "variant": variant,
            }
            for still, (action, details, camera) in zip(stills, parts, strict=True)
        ],
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _last_variant(path: Path) -> int:
    if not path.exists():
        return 0
    return max(clip.variant or 1 for clip in read_video_file(path).clips)


async def _watch(handle: Handle, as_json: bool) -> VideoProgress:
    if as_json:
        return await settled(lambda: look(handle))
    return await follow(lambda: look(handle), out, typical_seconds=TYPICAL_SECONDS / SPEED)


async def _verify(session: Session, outcome: VideoResult) -> bool:
    """Read the video back from the store and count: no frame of any clip is missing."""
    with tempfile.TemporaryDirectory(dir=session.settings.work_dir) as folder:
        path = await session.objects.fetch(outcome.video, Path(folder) / "video.mp4")
        info = await asyncio.to_thread(probe, path)
    return info.frames == sum(clip.file.frames for clip in outcome.clips if clip.file)


# ── what goes wrong ──────────────────────────────────────────────────────────


async def _misbehave(stack: Stack) -> None:
    """Kling refuses an order because there are too many; each ComfyUI server queues a prompt and never says so."""
    if stack.kie:
        await _admin(stack.kie, "faults", {"route": "createTask", "nth": 2, "script": [{"http": 429}]})
    for server in stack.comfyui_urls.values():
        await _admin(server, "faults", {"route": "prompt", "script": ["accept_then_reset"]})


async def _kill_worker_midway(stack: Stack, handle: Handle) -> int:
    """Wait until a clip is with the provider (or in the renderer), then kill -9 its worker and start a new one."""
    while (name := await _busy_worker(stack, progress := await look(handle))) is None:
        if progress.status in SETTLED:
            return 0
        await asyncio.sleep(0.1)
    await stack.kill_worker(name)
    gpu = name.removeprefix("gpu-")
    await (stack.start_worker(name) if gpu == name else stack.start_gpu_worker(int(gpu)))
    return 1


async def _busy_worker(stack: Stack, progress: VideoProgress) -> str | None:
    """The worker that is in the midst of something, if one is."""
    for number, server in enumerate(stack.comfyui_urls.values(), start=1):
        if (await _admin(server, "ledger"))["counters"]["running"]:
            return f"gpu-{number}"
    states = [clip.status for clip in progress.clips]
    # Not while an order is on its way: it would become an unknown order, and the video would wait for a person.
    if stack.comfyui_urls or ClipStatus.RENDERING not in states or ClipStatus.SUBMITTING in states:
        return None
    return "studio" if stack.kie else "media"


# ── what the simulated providers saw ─────────────────────────────────────────


async def _ordered(stack: Stack) -> Counter[str]:
    """What the simulated KIE.ai has seen since it was started for the first time."""
    if not stack.kie:
        return Counter()
    ledger = await _admin(stack.kie, "ledger")
    seen = Counter({name: ledger["counters"].get(name, 0) for name in ("accepted", "billed", "refused")})
    seen["lost"] = sum(delivery["status"] == 0 for delivery in ledger["callbacks"])
    return seen


async def _seen(stack: Stack, pictures: int, before: Counter[str]) -> dict[str, int]:
    """Figures of the report."""
    ordered = await _ordered(stack)
    ordered.subtract(before)
    seen = {
        "submissions": ordered["accepted"] - pictures,
        "billed": ordered["billed"],
        "refused": ordered["refused"],
        "callbacks_lost": ordered["lost"],
        "replies_lost": 0,
    }
    for server in stack.comfyui_urls.values():
        seen["submissions"] += (await _admin(server, "ledger"))["counters"]["accepted"]
        seen["replies_lost"] += sum(rule["hits"] for rule in (await _admin(server, "faults"))["rules"])
    return seen


async def _admin(urls: Mapping[str, str], path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What a simulator answers at its admin door."""
    async with httpx.AsyncClient() as http:
        url = f"{urls['admin_url']}/__sim/{path}"
        answer = await (http.get(url) if body is None else http.post(url, json=body))
    return answer.raise_for_status().json()


def _show_ledger(report: Report, provider: Provider, faults: bool) -> None:
    if provider is Provider.COMFYUI:
        out.print(f"renders at ComfyUI: {report.pictures} pictures, {report.submissions} for {report.clips} clips")
    elif report.submissions:
        out.print(f"orders at KIE.ai: {report.submissions} accepted, {report.billed} billed, {report.refused} refused")
    if faults:
        out.print(f"the worker was killed with kill -9 {report.worker_kills} time(s) on the way")
        if provider is Provider.KLING:
            out.print(f"{report.callbacks_lost} callbacks were lost; the clips were found all the same")
        if provider is Provider.COMFYUI:
            out.print(f"{report.replies_lost} replies were lost after the clip was queued; none was queued twice")
    out.print(f"history  {report.ui_url}  (while a stack runs: starter.py up)   {report.seconds:.0f} s")
