"""`starter.py video plan`: what starting a video would do and cost, said before anything is spent."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from commands.models import built_video
from commands.options import DATA, Data, Json
from commands.running import name_of, request_of, standing
from commands.session import WRONG_INPUT, Session, fail, open_session, out, show_json
from commands.telling import TYPICAL_SECONDS
from commands.video_file import VideoFileInvalid
from studio.contracts.plan import ClipPlanned, VideoPlan
from studio.contracts.video import Provider, VideoName, VideoRequest
from studio.edits import keep_choices
from studio.plans import Planner
from studio.store.budgets import BudgetStore
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.gate import GateWorkflow

_ASK_GATE = timedelta(seconds=3)


def plan_video(
    video: Annotated[str, typer.Argument(help="A video file (YAML), or a video that was started before.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show what starting a video would make, cost and take in time. Spends and stores nothing."""

    async def run() -> None:
        async with open_session(data) as session:
            request, notes = await _request(session, video)
            plan = (await make_plan(session, request)).model_copy(update={"notes": notes})
            show_json(plan) if as_json else _show(plan, request.provider)

    asyncio.run(run())


async def make_plan(session: Session, video: VideoRequest) -> VideoPlan:
    """What starting this video would do now."""
    database, settings = session.database, session.settings
    planner = Planner(TakeStore(database), SubmissionLedger(database), BudgetStore(database), session.objects)
    if video.provider is Provider.ANIMATIC:
        # The local renderer draws about as fast as the clip plays (docs/decisions/0010).
        longest = max(clip.seconds for clip in video.clips)
        return await planner.plan(video, at_once=settings.media_slots, clip_seconds=longest)
    if video.provider is Provider.COMFYUI:
        return await planner.plan(video, at_once=0, clip_seconds=0)  # it depends on the graph and on the servers
    at_once = await _gate_limit(session)
    return await planner.plan(video, at_once=at_once, clip_seconds=TYPICAL_SECONDS / settings.kie_speed)


async def _gate_limit(session: Session) -> int:
    gate: WorkflowHandle[GateWorkflow, None] = session.temporal.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)
    try:
        return (await gate.query(GateWorkflow.state, rpc_timeout=_ASK_GATE)).limit
    except RPCError:  # nobody serves it, or there is none yet
        return session.settings.kling_slots


async def _request(session: Session, video: str) -> tuple[VideoRequest, list[str]]:
    """The video as it would be started, and what is done to its stills."""
    path = Path(video)
    if path.suffix not in (".yaml", ".yml") and not path.is_file():  # noqa: ASYNC240
        return await request_of(session, await name_of(session, video)), []
    try:
        asked = await built_video(session, path)
    except VideoFileInvalid as error:
        fail(f"{path} cannot be made:\n{error}", code=WRONG_INPUT)
    name = VideoName(channel=asked.request.channel, video_id=asked.request.video_id)
    before = await standing(session, name)
    request, _ = keep_choices(asked.request, before.request if before else None, asked.fixed)
    return request, list(asked.notes)


def _show(plan: VideoPlan, provider: Provider) -> None:
    table = Table("clip", "", "take", "USD", "note", box=None)
    for clip in plan.clips:
        price = f"{clip.cost_usd:.2f}" if clip.cost_usd else ""
        table.add_row(f"{clip.number:02d}", clip.planned, clip.take[:12], price, clip.note)
    out.print(table)
    counts = ", ".join(f"{count} {kind}" for kind, count in plan.counts.items() if count)
    out.print(f"{len(plan.clips)} clips: {counts}", highlight=False)
    out.print(f"cost      {plan.cost_usd:.2f} USD at list price", highlight=False)
    out.print(f"time      {_duration(plan.seconds, provider)}", highlight=False)
    for budget in plan.budgets:
        verdict = "would be passed: the video stops there" if budget.passed else "is kept"
        used = f"{budget.spent_usd:.2f} of {budget.limit_usd:.2f} USD are spent"
        out.print(f"budget    {budget.scope} {verdict}; {used}", highlight=False)
    for line in plan.notes:
        out.print(line, highlight=False, soft_wrap=True)
    if repeats := [clip.number for clip in plan.clips if clip.repeats]:
        out.print(
            f"{_numbers(repeats)}: made before of the same still and prompt, and black or frozen; "
            "the same will most likely come out again. Starting asks for --same-stills.",
            style="red",
        )
    if plan.counts[ClipPlanned.MISSING]:
        out.print("It would be refused: choose another take.", style="red")


def _numbers(clips: list[int]) -> str:
    listed = ", ".join(str(number) for number in clips[:20])
    more = f" and {len(clips) - 20} more" if len(clips) > 20 else ""
    return f"{'clip' if len(clips) == 1 else 'clips'} {listed}{more}"


def _duration(seconds: float | None, provider: Provider) -> str:
    if seconds is None and provider is Provider.COMFYUI:
        return "unknown: it depends on the graph and on the ComfyUI servers"
    if seconds is None:
        return "no end: the gate's limit is 0 (`gate limit`)"
    if seconds == 0:
        return "only the joining"
    return f"about {seconds:.0f} s (an estimate)" if seconds < 120 else f"about {seconds / 60:.0f} min (an estimate)"
