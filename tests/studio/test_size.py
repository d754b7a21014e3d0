"""Values that travel, at their bounds: 500 clips with the longest prompts in any script are refused, or fit."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

import pytest

from studio import intake
from studio.contracts.base import MediaRef
from studio.contracts.callback import CalledBack
from studio.contracts.clip import PROMPT_LIMIT, ClipFile, ClipOutcome, ClipRequest, ClipStatus, MotionPrompt
from studio.contracts.excerpt import excerpt
from studio.contracts.gate import GateCarry
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.sentence import (
    MOST_SENTENCES,
    BatchCarry,
    ProjectProgress,
    ProjectRequest,
    ProjectResult,
    SentenceOutcome,
    SentenceStanding,
)
from studio.contracts.size import LARGEST_PAYLOAD, json_bytes, too_large
from studio.contracts.video import (
    MOST_CARRIED_CALLBACKS,
    ClipProgress,
    RecalledVideo,
    VideoCarry,
    VideoProgress,
    VideoRecord,
    VideoRequest,
    VideoResult,
    VideoResultRecord,
    VideoStatus,
    VideoToCheck,
    VideoToJoin,
)
from workflows_temporal.assembly import LONGEST_LABEL
from workflows_temporal.payloads import TolerantPayloadConverter

NAME = "n" * 100

SHA = "0" * 64
CLIPS = 500
SCRIPTS = {
    "latin": "Haunter floats. ",
    "cyrillic": "Призрак плывёт. ",
    "chinese": "幽靈飄過走廊。",
    "emoji": "👻🎥",
    "quotes": '"\\"',
    "line ends": "a\n\t",
}


def media(name: str, mime: str = "video/mp4") -> MediaRef:
    return MediaRef(key=f"channels/{NAME}/projects/{NAME}/clips/{name}", sha256=SHA, mime=mime, size=10**9)


def video(prompt: str | MotionPrompt, clips: int = CLIPS) -> VideoRequest:
    made = [ClipRequest(number=n, still=media(f"{n}.png", "image/png"), prompt=prompt) for n in range(1, clips + 1)]
    return VideoRequest(channel=NAME, video_id=NAME, clips=made)


def largest(prompt: str) -> VideoRequest:
    """The longest video with this prompt that is not refused."""
    low, high = 1, CLIPS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if too_large(video(prompt, middle)) is None else (low, middle - 1)
    return video(prompt, low)


def carry() -> VideoCarry:
    """All that a run can leave to the next one."""
    back = CalledBack(submission_id="s" * 400, number=500, task_id="電" * 500)
    return VideoCarry(
        status=VideoStatus.VIDEO_ERROR,
        clips="f" * CLIPS,
        cost_usd=Decimal("99999999.999999"),
        existing=CLIPS,
        summary="電" * 500,
        message="👻" * 2_000,
        waiting=True,
        gate=GateCarry(closed="電" * 500, turned_back=True, opened=True),
        unknown_until={number: 1_800_000_000.123456 for number in range(1, CLIPS + 1)},
        called_back=[back] * MOST_CARRIED_CALLBACKS,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_largest_video_that_is_not_refused_fits_into_every_payload_it_travels_in(script: str) -> None:
    request = largest((SCRIPTS[script] * PROMPT_LIMIT)[:PROMPT_LIMIT].strip())
    carried = request.model_copy(update={"carried": carry()})
    record = VideoRecord(request=request, status=VideoStatus.QUEUED, revision=10**13)
    sizes = [json_bytes(value) for value in (request, carried, record, VideoToCheck(request=request))]
    assert max(sizes) < LARGEST_PAYLOAD
    read_back = VideoRequest.model_validate_json(carried.model_dump_json()) == carried
    assert read_back


def test_bytes_are_counted_as_the_payload_converter_writes_them() -> None:
    request = video("幽靈" * 500, clips=3)
    (payload,) = TolerantPayloadConverter().to_payloads([request])
    size = json_bytes(request)
    assert len(payload.data) == size


@pytest.mark.parametrize("script", SCRIPTS)
def test_too_large_a_video_is_refused_with_its_figures_however_its_caller_wrote_it(script: str) -> None:
    r"""As text, in five parts, and with `\u` escapes, which are larger on the wire and no larger here."""
    prompt = (SCRIPTS[script] * PROMPT_LIMIT)[:PROMPT_LIMIT].strip()
    request = video(prompt)
    escaped = json.dumps(request.model_dump(mode="json"))
    read = VideoRequest.model_validate_json(escaped) == request
    assert read
    size = json_bytes(request)
    refusal = too_large(request)
    assert (refusal is None) is (size <= 1_900_000)
    if refusal is not None:
        assert f"has {size:,} bytes as JSON, at most 1,900,000 are allowed" in refusal
        assert "the largest of its 500 clips is" in refusal
        assert refusal in list(islice(intake.complaints(request), 1))
    parts = video(MotionPrompt(action=prompt[:1_000], details=prompt[1_000:2_400]))
    fits = json_bytes(parts) <= 1_900_000
    assert (too_large(parts) is None) is fits


def test_what_the_issue_measured_is_refused_or_fits() -> None:
    assert too_large(video("電" * 1_130)) is not None
    assert too_large(video("a" * 2_500)) is None


def outcome(number: int, *, failed: str | None) -> ClipOutcome:
    if failed is not None:
        return ClipOutcome(number=number, status=ClipStatus.FAILED, error_type="RequestRefused", error=failed)
    file = ClipFile(
        media=media(f"{number}.mp4"),
        width=1_920,
        height=1_080,
        frames=241,
        seconds=10.041666666666666,
        picture=media(f"{number}.jpg", "image/jpeg"),
    )
    return ClipOutcome(
        number=number,
        status=ClipStatus.DONE,
        take=SHA,
        recorded=True,
        file=file,
        task_id="t" * 64,
        submission_id="s" * 36,
        cost_usd=Decimal("0.420000"),
        generation_seconds=123.456789,
    )


@pytest.mark.parametrize("failed", [None, *SCRIPTS])
def test_what_comes_of_500_clips_fits_into_every_payload(failed: str | None) -> None:
    reason = None if failed is None else SCRIPTS[failed] * 10_000
    outcomes = [outcome(number, failed=reason) for number in range(1, CLIPS + 1)]
    name = {"channel": NAME, "video_id": NAME}
    rows = [
        ClipProgress(number=one.number, status=one.status, since=datetime.now(UTC), cost_usd=1, note=one.error or "")
        for one in outcomes
    ]
    result = VideoResult(
        **name,
        video=media("video.mp4"),
        sheet=media("sheet.jpg"),
        seconds=5_000,
        frames=120_000,
        clips=outcomes,
        costs=[],
        total_cost_usd=Decimal(210),
        summary="s" * 100,
    )
    values = (
        RecalledVideo(takes=[SHA] * CLIPS, outcomes=outcomes),
        VideoToJoin(
            **name,
            clips=[one.file for one in outcomes if one.file],
            title="👻" * 200,
            labels=[f"10 s\n{excerpt('影' * 2_500, characters=LONGEST_LABEL, most_bytes=3 * LONGEST_LABEL)}"] * CLIPS,
        ),
        VideoResultRecord(result=result, status=VideoStatus.VIDEO_READY, revision=10**13),
        VideoProgress(
            **name,
            status=VideoStatus.VIDEO_ERROR,
            step="s" * 1_000,
            total=CLIPS,
            done=0,
            failed=list(range(1, CLIPS + 1)),
            clips=rows,
            cost_usd=1,
            message="👻" * 2_000,
        ),
    )
    sizes = {type(value).__name__: json_bytes(value) for value in values}
    assert max(sizes.values()) < LARGEST_PAYLOAD, sizes


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("status", ["done", "failed"])
def test_what_comes_of_a_batch_of_the_most_sentences_fits_into_every_payload(script: str, status: str) -> None:
    ids = tuple(f"{number:0>100}" for number in range(MOST_SENTENCES))
    text = SCRIPTS[script] * 10_000
    outcomes = tuple(
        SentenceOutcome(
            sentence_id=one,
            status="done" if status == "done" else "failed",
            file=media("picture.png") if status == "done" else None,
            take=SHA if status == "done" else None,
            gpu_seconds=123.456789,
            notes=(text,) * 10 if status == "done" else (),
            error_type=None if status == "done" else "ExecutionFailed",
            error=None if status == "done" else text,
        )
        for one in ids
    )
    name = {"channel": NAME, "project_id": NAME, "category": ModelCategory.IMAGE}
    standings = [SentenceStanding(sentence_id=one, stage=Stage.FAILED, note=text) for one in ids]
    carried = BatchCarry(left=ids, outcomes=outcomes)
    values = (
        ProjectRequest(**name, sentence_ids=ids, carried=carried),
        ProjectResult(**name, done=0, reused=0, failed=0, summary="", outcomes=list(outcomes)),
        ProjectProgress(**name, total=MOST_SENTENCES, done=0, failed=0, sentences=standings),
    )
    sizes = {type(value).__name__: json_bytes(value) for value in values}
    assert max(sizes.values()) < LARGEST_PAYLOAD, sizes
