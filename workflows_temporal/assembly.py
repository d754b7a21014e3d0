"""How a video ends: joined from its clips, or called off."""

import asyncio
from collections.abc import Sequence

from temporalio import workflow

from activities.keeping import KeepingActivities
from activities.media import MediaActivities
from activities.records import RecordActivities
from studio.contracts.clip import ClipOutcome, ClipRequest
from studio.contracts.excerpt import excerpt
from studio.contracts.video import (
    Unfinished,
    VideoRequest,
    VideoResult,
    VideoResultRecord,
    VideoStatus,
    VideoToJoin,
)
from workflows_temporal.policies import ASSEMBLE, RECORD
from workflows_temporal.recorder import revision
from workflows_temporal.standing import Standing

LONGEST_LABEL = 120
"""Characters of a prompt on the contact sheet; three lines hold no more."""


async def assemble(clips: Sequence[ClipOutcome], standing: Standing, request: VideoRequest) -> VideoResult:
    """Join the clips, draw the contact sheet, add up the bill, and tell everybody that the video is there."""
    name = standing.video
    files = [clip.file for clip in clips if clip.file is not None]
    video = VideoToJoin(
        channel=name.channel,
        video_id=name.video_id,
        clips=files,
        title=request.title,
        labels=[_label(clip) for clip in request.clips] if len(request.clips) == len(files) else [],
    )
    joined, sheet, bill = await asyncio.gather(
        workflow.execute_activity_method(MediaActivities.join_clips, video, **ASSEMBLE),
        workflow.execute_activity_method(MediaActivities.make_contact_sheet, video, **ASSEMBLE),
        workflow.execute_activity_method(RecordActivities.book_costs, name, **RECORD),
    )
    standing.book(bill.total_usd)
    result = VideoResult(
        channel=name.channel,
        video_id=name.video_id,
        video=joined.media,
        sheet=sheet,
        seconds=joined.seconds,
        frames=joined.frames,
        clips=list(clips),
        costs=bill.costs,
        total_cost_usd=bill.total_usd,
        summary=standing.summary,
        notes=joined.notes(),
    )
    record = VideoResultRecord(result=result, status=VideoStatus.VIDEO_READY, revision=revision())
    await workflow.execute_activity_method(RecordActivities.close_video, record, **RECORD)
    standing.step = "finished"
    await standing.announce(VideoStatus.VIDEO_READY, result.summary)
    return result


def _label(clip: ClipRequest) -> str:
    """Length and prompt, for the contact sheet."""
    prompt = clip.prompt
    text = prompt if isinstance(prompt, str) else ". ".join(part for part in vars(prompt).values() if part)
    return f"{clip.seconds} s\n{excerpt(text, characters=LONGEST_LABEL, most_bytes=3 * LONGEST_LABEL)}"


async def call_off(standing: Standing, *, unfinished: list[int]) -> None:
    """Say what was ordered all the same, and leave nothing half done behind."""
    video = standing.video
    files = Unfinished(channel=video.channel, video_id=video.video_id, numbers=unfinished)
    await workflow.execute_activity_method(KeepingActivities.remove_unfinished, files, **RECORD)
    bill = await workflow.execute_activity_method(RecordActivities.book_costs, video, **RECORD)
    standing.step = "cancelled"
    await standing.change(VideoStatus.CANCELLED, bill.still_ordered())
