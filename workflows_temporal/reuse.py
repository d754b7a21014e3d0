"""Using takes that are there already, before anything is made."""

from collections.abc import Iterable, Sequence

from temporalio import workflow

from activities.takes import TakeActivities
from studio.contracts.clip import ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.film import FilmName
from studio.contracts.take import TakesToUse
from workflows_temporal.policies import USE_TAKES
from workflows_temporal.recorder import revision


async def use_takes(film: FilmName, takes: Sequence[str], todo: Iterable[ClipRequest]) -> list[ClipOutcome]:
    """The outcomes of those clips of `todo` that need not be made.

    A take that was chosen and is not there is a failure: there is nothing else to make of its clip.
    """
    wanted = {clip.number: takes[clip.number - 1] for clip in todo}
    to_use = TakesToUse(channel=film.channel, video_id=film.video_id, takes=wanted, revision=revision())
    used = await workflow.execute_activity_method(TakeActivities.use_takes, to_use, **USE_TAKES)
    there = {outcome.number for outcome in used.outcomes}
    return used.outcomes + [_missing(clip) for clip in todo if clip.take is not None and clip.number not in there]


def _missing(clip: ClipRequest) -> ClipOutcome:
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.FAILED,
        error_type="MediaMissing",
        error=f"The chosen take {(clip.take or '')[:12]} is not in the object store as it was - Choose another one",
    )
