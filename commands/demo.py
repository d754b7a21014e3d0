"""`starter.py demo`: a film from nothing, on the embedded stack, through the production code."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import httpx
import typer
import yaml

from commands.filmfile import put_stills, read_film_file
from commands.models import built_film
from commands.running import Handle, look, settled, start_film
from commands.session import Session, fail, open_session, out, show_json
from commands.table import SETTLED, follow
from commands.telling import show_result
from commands.up import show_addresses
from local.processes import ProcessFailed, free_port
from local.stack import Stack, StackOptions, running_stack
from studio.contracts.clip import MOST_VARIANTS, ClipStatus
from studio.contracts.film import Provider, VideoProgress, VideoResult, VideoStatus
from studio.media.probe import probe
from studio.media.stills import draw_still

SPEED = 25.0
"""Kling's two to four minutes become five to ten seconds."""
GPUS = 2
"""ComfyUI servers of a rehearsal with ComfyUI."""
TYPICAL_SECONDS = 165.0
STORY = (
    ("A harbour wakes at dawn, light spreads over the water", "Small waves lap and glitter", "Slow dolly forward"),
    (
        "Morning mist drifts through a forest above the bay",
        "Tree tops sway, shafts of light wander",
        "Smooth truck alongside",
    ),
    ("Snow blows off the mountains behind the coast", "Shadows slide down the slopes", "Slow pan right"),
    ("Wind moves over desert dunes at noon", "Sand runs along the ridges", "Slow pull back"),
    ("A city lights its windows at night in the rain", "Windows go on and off, reflections shiver", "Slow pan left"),
    ("The sea turns red at sunset", "The last light dances on the waves", "Slow orbit around the sun's path"),
)


@dataclass
class Report:
    """What a demo shows, also as JSON."""

    clips: int
    submissions: int
    billed: int
    refused: int
    worker_kills: int
    callbacks_lost: int
    status: str
    verified: bool
    seconds: float
    film: str
    sheet: str
    cost_usd: str
    ui_url: str


def demo(
    clips: Annotated[int, typer.Option(min=1, max=500, help="How many clips.")] = 6,
    seconds: Annotated[int, typer.Option(help="Length of a clip: 5 or 10.")] = 5,
    provider: Annotated[Provider, typer.Option(help="Who makes the clips.")] = Provider.KLING,
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data"),
    faults: Annotated[bool, typer.Option("--faults", help="A 429, lost callbacks, a kill -9 of the worker.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Draw stills, have clips made of them by a simulated Kling, join a film. Everything is stopped at the end."""
    if seconds not in (5, 10):
        fail("--seconds: 5 or 10", code=2)
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
        fail(f"{report.status}: {report.submissions} submissions for {clips} clips")


async def _demo(
    options: StackOptions, clips: int, seconds: Literal[5, 10], provider: Provider, faults: bool, as_json: bool
) -> Report:
    began = time.monotonic()
    film_file = await asyncio.to_thread(draw_film, options.data / "demo", clips, seconds, provider)
    async with running_stack(options) as stack, open_session(options.data) as session:
        if not as_json:
            show_addresses(stack)
        film = await built_film(session, film_file)
        await put_stills(film, session.objects)
        kills = 0
        if faults and stack.kie:
            await _post(stack, "faults", {"route": "createTask", "nth": 2, "script": [{"http": 429}]})
        handle = await start_film(session, film.request)
        if faults:
            kills = await _kill_worker_midway(stack, handle)
        progress = await _watch(handle, as_json)
        outcome = await handle.result() if progress.status is VideoStatus.VIDEO_READY else None
        report = await _report(session, stack, progress, outcome, kills, time.monotonic() - began)
        if outcome is not None and not as_json:
            show_result(session, outcome)
            _show_ledger(report, provider, faults)
        return report


def draw_film(folder: Path, clips: int, seconds: Literal[5, 10], provider: Provider) -> Path:
    """Draw the stills that are not there yet, and write a film file beside them; returns its path.

    A rehearsal asks for further takes of the stills it shares with the one before: each makes its own clips.
    """
    stills = folder / "stills"
    stills.mkdir(parents=True, exist_ok=True)
    parts = [STORY[place % len(STORY)] for place in range(clips)]
    for place, (action, _, _) in enumerate(parts):
        path = stills / _still_name(place)
        if not path.exists():
            part = path.with_suffix(".part.png")
            draw_still(action, seed=place).image.save(part, compress_level=1)
            part.replace(path)
    path = folder / "film.yaml"
    variant = _last_variant(path) % MOST_VARIANTS + 1
    document = {
        "film": f"demo-{datetime.now():%Y%m%d-%H%M%S}",
        "channel": "demo",
        "title": "A day of light",
        "provider": str(provider),
        "seconds": seconds,
        "clips": [
            {
                "still": f"stills/{_still_name(place)}",
                "prompt": {"action": action, "details": details, "camera": camera},
                "variant": variant,
            }
            for place, (action, details, camera) in enumerate(parts)
        ],
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _last_variant(path: Path) -> int:
    if not path.exists():
        return 0
    return max(clip.variant or 1 for clip in read_film_file(path).clips)


def _still_name(place: int) -> str:
    action = STORY[place % len(STORY)][0]
    return f"still_{place + 1:03d}_{hashlib.sha256(action.encode()).hexdigest()[:8]}.png"


async def _watch(handle: Handle, as_json: bool) -> VideoProgress:
    if as_json:
        return await settled(handle)
    return await follow(lambda: look(handle), out, typical_seconds=TYPICAL_SECONDS / SPEED)


async def _kill_worker_midway(stack: Stack, handle: Handle) -> int:
    """Wait until clips are with the provider (or in the renderer), then kill -9 the worker and start a new one.

    Not while an order is on its way: whether that one was accepted nobody could say, and the film would ask a person.
    """
    name = "studio" if stack.kie else "gpu-1" if stack.comfyui else "media"
    while True:
        progress = await look(handle)
        if progress.status in SETTLED:
            return 0
        states = [clip.status for clip in progress.clips]
        if ClipStatus.RENDERING in states and ClipStatus.SUBMITTING not in states:
            break
        await asyncio.sleep(0.1)
    await stack.kill_worker(name)
    await (stack.start_gpu_worker(1) if name == "gpu-1" else stack.start_worker(name))
    return 1


async def _report(
    session: Session, stack: Stack, progress: VideoProgress, outcome: VideoResult | None, kills: int, seconds: float
) -> Report:
    seen = await _get(stack, "ledger") if stack.kie else {"counters": {}, "callbacks": []}
    counters = seen["counters"]
    return Report(
        clips=progress.total,
        submissions=counters.get("accepted", 0) + await _rendered(stack),
        billed=counters.get("billed", 0),
        refused=counters.get("refused", 0),
        worker_kills=kills,
        callbacks_lost=sum(delivery["status"] == 0 for delivery in seen["callbacks"]),
        status=progress.status,
        verified=outcome is not None and await _verify(session, outcome),
        seconds=round(seconds, 1),
        film=session.place(outcome.film.key) if outcome else "",
        sheet=session.place(outcome.sheet.key) if outcome else "",
        cost_usd=str(outcome.total_cost_usd if outcome else progress.cost_usd),
        ui_url=stack.temporal.ui_url,
    )


async def _rendered(stack: Stack) -> int:
    """How many prompts the ComfyUI servers were sent."""
    async with httpx.AsyncClient() as http:
        ledgers = [await http.get(f"{urls['admin_url']}/__sim/ledger") for urls in stack.comfyui_urls.values()]
    return sum(ledger.json()["counters"]["accepted"] for ledger in ledgers)


async def _verify(session: Session, outcome: VideoResult) -> bool:
    """Read the film back from the store and count: no frame of any clip is missing."""
    with tempfile.TemporaryDirectory(dir=session.settings.work_dir) as folder:
        path = await session.objects.fetch(outcome.film, Path(folder) / "film.mp4")
        info = await asyncio.to_thread(probe, path)
    return info.frames == sum(clip.file.frames for clip in outcome.clips if clip.file)


def _show_ledger(report: Report, provider: Provider, faults: bool) -> None:
    if report.submissions and provider is Provider.COMFYUI:
        out.print(f"renders at ComfyUI: {report.submissions} for {report.clips} clips")
    elif report.submissions:
        out.print(f"orders at KIE.ai: {report.submissions} accepted, {report.billed} billed, {report.refused} refused")
    if faults:
        out.print(f"the worker was killed with kill -9 {report.worker_kills} time(s) on the way")
        if provider is Provider.KLING:
            out.print(f"{report.callbacks_lost} callbacks were lost; the clips were found all the same")
    out.print(f"history  {report.ui_url}  (while a stack runs: starter.py up)   {report.seconds:.0f} s")


async def _get(stack: Stack, path: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        return cast(dict[str, Any], (await http.get(f"{stack.kie['admin_url']}/__sim/{path}")).json())


async def _post(stack: Stack, path: str, body: Mapping[str, Any]) -> None:
    async with httpx.AsyncClient() as http:
        (await http.post(f"{stack.kie['admin_url']}/__sim/{path}", json=body)).raise_for_status()
