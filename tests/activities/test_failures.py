"""What becomes of an activity's errors: what Temporal is told, what the history keeps, what the log says."""

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import structlog
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from activities._failures import LONGEST_MESSAGE, SURPRISES, Failures
from activities.records import RECORDING
from studio import errors
from studio.contracts.clip import ClipId, ClipJob, ClipSubmission, ClipToDraw, RenderedClip, StillToHost
from studio.contracts.keeping import ClipToKeep
from studio.contracts.notice import StatusNotice
from studio.contracts.video import (
    ClipRecord,
    StatusRecord,
    Unfinished,
    VideoName,
    VideoRecord,
    VideoRequest,
    VideoResult,
    VideoResultRecord,
    VideoToCheck,
    VideoToJoin,
)
from studio.errors import StudioError, error_types
from studio.logs import HIDDEN, hider

KEY = "sim-key-PLANTED-4f9a1c"
CLIP = ClipId(channel="poke1", video_id="vid_1", number=7)


class Doing(ActivityInboundInterceptor):
    """The activity itself: it says a line and raises."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        structlog.get_logger().info("clip.submitted")
        raise self._error


async def raised(error: BaseException, *, attempt: int = 1, contract: object = None) -> BaseException:
    """What Temporal gets to see when an activity raises this."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info, attempt=attempt, activity_type="submit_clip", workflow_id="video/poke1/vid_1"
    )
    around = Failures(hider([KEY])).intercept_activity(Doing(error))
    given = ExecuteActivityInput(fn=raised, args=[contract] if contract else [], executor=None, headers={})
    with pytest.raises(BaseException) as seen:
        await environment.run(around.execute_activity, given)
    return seen.value


async def told(error: BaseException, *, attempt: int = 1) -> ApplicationError:
    seen = await raised(error, attempt=attempt)
    assert isinstance(seen, ApplicationError)
    return seen


# ── errors we know ───────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", list(error_types()), ids=lambda kind: kind.__name__)
async def test_every_error_of_ours_says_its_type_whether_it_may_be_retried_and_whether_it_matters(
    kind: type[StudioError],
) -> None:
    seen = await told(kind("Check the key", retry_after=timedelta(seconds=31)))
    assert (seen.message, seen.type, seen.non_retryable) == ("Check the key", kind.__name__, not kind.retryable)
    assert seen.next_retry_delay == timedelta(seconds=31)
    expected = ApplicationErrorCategory.BENIGN if kind.benign else ApplicationErrorCategory.UNSPECIFIED
    assert seen.category is expected


async def test_without_a_wait_of_its_own_the_policy_decides() -> None:
    assert (await told(errors.RateLimited())).next_retry_delay is None


async def test_a_long_text_is_cut_and_a_secret_in_it_hidden_before_that() -> None:
    text = KEY + "x" * LONGEST_MESSAGE + KEY
    seen = await told(errors.FfmpegFailed(text))
    assert len(seen.message) == LONGEST_MESSAGE
    assert seen.message == (HIDDEN + "x" * LONGEST_MESSAGE)[:LONGEST_MESSAGE]
    surprise = await told(ValueError(text))
    assert len(surprise.message) == LONGEST_MESSAGE
    assert KEY not in surprise.message


async def test_a_secret_that_the_cut_would_split_is_hidden_all_the_same() -> None:
    seen = await told(errors.FfmpegFailed("x" * (LONGEST_MESSAGE - 5) + KEY))
    assert "sim-k" not in seen.message


async def test_a_cause_does_not_travel() -> None:
    error = errors.ProviderUnavailable("KIE.ai cannot be reached")
    error.__cause__ = ValueError(KEY)
    assert (await told(error)).__cause__ is None
    surprise = ValueError("what is this?")
    surprise.__cause__ = ValueError(KEY)
    assert (await told(surprise)).__cause__ is None


# ── errors nobody foresaw ────────────────────────────────────────────────


async def surprised(environment: ActivityEnvironment, failures: Failures) -> ApplicationError:
    around = failures.intercept_activity(Doing(KeyError("taskId")))
    with pytest.raises(ApplicationError) as seen:
        await environment.run(around.execute_activity, ExecuteActivityInput(raised, [], None, {}))
    return seen.value


async def test_what_records_a_paid_clip_is_tried_again_however_often_it_fails() -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, activity_type="record_clip")
    failures = Failures(str, endless=RECORDING)
    seen = [await surprised(environment, failures) for _ in range(3 * SURPRISES)]
    assert not any(error.non_retryable for error in seen)


async def test_a_surprise_is_tried_again_only_so_often() -> None:
    environment, failures = ActivityEnvironment(), Failures(hider([]))
    seen = [await surprised(environment, failures) for _ in range(SURPRISES)]
    assert {(error.message, error.type) for error in seen} == {("KeyError: 'taskId'", "KeyError")}
    assert [error.non_retryable for error in seen] == [False] * (SURPRISES - 1) + [True]


async def test_the_first_surprise_after_many_good_looks_is_tried_again() -> None:
    """Every look at a task is an attempt: the fortieth may meet its first surprise."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=40, activity_type="await_clip")
    assert not (await surprised(environment, Failures(hider([])))).non_retryable


async def test_another_activitys_surprises_do_not_count() -> None:
    failures = Failures(hider([]))
    for number in range(SURPRISES):
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, activity_id=str(number))
        assert not (await surprised(environment, failures)).non_retryable


@pytest.mark.parametrize(
    "error", [ApplicationError("said already", type="X"), asyncio.CancelledError()], ids=lambda e: type(e).__name__
)
async def test_what_speaks_temporal_already_passes_untouched(error: BaseException) -> None:
    assert await raised(error) is error


# ── what the log says ────────────────────────────────────────────────────


async def said(error: BaseException, *, contract: object = None) -> list[Mapping[str, Any]]:
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        await raised(error, contract=contract)
    return list(lines)


async def test_a_failure_is_one_line_with_its_type() -> None:
    _, line = await said(errors.RateLimited("too many"))
    assert (line["event"], line["log_level"]) == ("activity.failed", "warning")
    assert (line["error_type"], line["error"]) == ("RateLimited", "too many")


async def test_what_is_expected_in_good_health_is_not_logged() -> None:
    assert [line["event"] for line in await said(errors.StillRendering())] == ["clip.submitted"]


async def test_a_surprise_is_logged_with_its_traceback() -> None:
    _, line = await said(KeyError("taskId"))
    assert (line["event"], line["log_level"], line["exc_info"]) == ("activity.surprised", "error", True)


def known(kind: type[Any], **fields: object) -> object:
    """A contract of which only this is known; the rest does not matter here."""
    return kind.model_construct(**fields)


NAME = {"channel": "poke1", "video_id": "vid_1"}
CONTRACTS: list[Any] = [
    (known(StillToHost, clip=CLIP), 7),
    (known(ClipSubmission, clip=CLIP), 7),
    (known(ClipJob, clip=CLIP), 7),
    (known(ClipToKeep, clip=CLIP), 7),
    (known(ClipToDraw, clip=CLIP), 7),
    (known(VideoToCheck, request=known(VideoRequest, **NAME)), None),
    (known(VideoRecord, request=known(VideoRequest, **NAME)), None),
    (known(VideoName, **NAME), None),
    (known(StatusRecord, **NAME), None),
    (known(ClipRecord, **NAME), None),
    (known(VideoToJoin, **NAME), None),
    (known(Unfinished, **NAME), None),
    (known(StatusNotice, **NAME), None),
    (known(VideoResultRecord, result=known(VideoResult, **NAME)), None),
    (known(RenderedClip, clip=CLIP), 7),
]


@pytest.mark.parametrize(("contract", "clip"), CONTRACTS, ids=lambda value: type(value).__name__)
async def test_every_line_of_an_activity_names_video_and_clip(contract: object, clip: int | None) -> None:
    lines = await said(errors.RateLimited(), contract=contract)
    assert [line["event"] for line in lines] == ["clip.submitted", "activity.failed"]
    for line in lines:
        assert (line["activity"], line["attempt"], line["workflow_id"]) == ("submit_clip", 1, "video/poke1/vid_1")
        assert (line.get("channel"), line.get("video_id"), line.get("clip")) == ("poke1", "vid_1", clip)


async def test_the_names_go_when_the_activity_does() -> None:
    await raised(errors.RateLimited(), contract=VideoName(channel="poke1", video_id="vid_1"))
    assert structlog.contextvars.get_contextvars() == {}


# ── on a server ──────────────────────────────────────────────────────────

ENDLESS = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1)


@activity.defn
async def go_wrong(kind: str) -> str:
    """Go wrong in this way."""
    attempt = activity.info().attempt
    cause = ValueError(f"the cause, {KEY}")
    match kind:
        case "refused":
            raise errors.AuthenticationError(f"KIE.ai said {KEY}") from cause
        case "surprise":
            raise KeyError(KEY) from cause
        case "limited" if attempt == 1:
            raise errors.RateLimited(retry_after=timedelta(seconds=2))
        case "down" if attempt < 5:
            raise errors.ProviderUnavailable(f"KIE.ai said {KEY}") from cause
    return f"{attempt} attempts"


@workflow.defn(sandboxed=False)
class GoWrong:
    """One activity under a policy that would try for ever."""

    @workflow.run
    async def run(self, kind: str) -> str:
        return await workflow.execute_activity(
            go_wrong, kind, start_to_close_timeout=timedelta(seconds=20), retry_policy=ENDLESS
        )


async def ends(client: Client, *kinds: str) -> dict[str, tuple[str, WorkflowHistory]]:
    """Kind → how its workflow ended, and its whole history."""
    found = {}
    async with Worker(
        client, task_queue="q", workflows=[GoWrong], activities=[go_wrong], interceptors=[Failures(hider([KEY]))]
    ):
        handles = {kind: await client.start_workflow(GoWrong.run, kind, id=kind, task_queue="q") for kind in kinds}
        for kind, handle in handles.items():
            try:
                end = await handle.result()
            except WorkflowFailureError as failure:
                assert isinstance(failure.cause, ActivityError)
                assert isinstance(failure.cause.cause, ApplicationError)
                end = f"{failure.cause.cause.type}: {failure.cause.cause.message}"
            found[kind] = (end, await handle.fetch_history())
    return found


def last_start(history: WorkflowHistory) -> tuple[int, timedelta]:
    """Which attempt was the last one, and how long after the first was due it began."""
    (due,) = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    (start,) = [event for event in history.events if event.HasField("activity_task_started_event_attributes")]
    later = start.event_time.ToDatetime() - due.event_time.ToDatetime()
    return start.activity_task_started_event_attributes.attempt, later


async def test_temporal_does_as_the_errors_say_and_keeps_no_secret(temporal: Client) -> None:
    found = await ends(temporal, "refused", "surprise", "limited", "down")
    assert {kind: end for kind, (end, _) in found.items()} == {
        "refused": f"AuthenticationError: KIE.ai said {HIDDEN}",
        "surprise": f"KeyError: KeyError: '{HIDDEN}'",
        "limited": "2 attempts",
        "down": "5 attempts",
    }
    starts = {kind: last_start(history) for kind, (_, history) in found.items()}
    assert {kind: attempt for kind, (attempt, _) in starts.items()} == {
        "refused": 1,
        "surprise": SURPRISES,
        "limited": 2,
        "down": 5,
    }
    assert starts["limited"][1] >= timedelta(seconds=2)
    for _, history in found.values():
        assert KEY not in history.to_json()
        assert "the cause" not in history.to_json()
