"""Refusing a film before anything is written down or spent."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.intake import IntakeActivities
from studio.contracts.film import FilmToCheck, VideoRequest
from workflows_temporal.policies import CHECK


async def refuse_what_cannot_be_made(request: VideoRequest) -> None:
    """Look at every prompt and still.

    Raises:
        ApplicationError: type `InvalidRequest`, with the path and reason of everything wrong. It is the workflow's
            own failure, not that of one of its steps, so callers find the reason where they look first.
    """
    film = FilmToCheck(request=request)
    try:
        await workflow.execute_activity_method(IntakeActivities.check_film, film, **CHECK)
    except ActivityError as error:
        if isinstance(error.cause, ApplicationError):
            raise error.cause from None
        raise
