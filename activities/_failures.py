"""Around every activity: its log lines name video and clip, its errors tell Temporal what they know of themselves."""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from studio.errors import StudioError

LONGEST_MESSAGE = 8_000
"""Characters of an error's text: it rides in a payload and in the video's history."""
SURPRISES = 3
"""How many errors that nobody foresaw one activity may meet in a worker: they are most likely a mistake of ours."""
REMEMBERED = 10_000
"""Activities whose surprises a worker remembers; the oldest go first."""

_WHOSE = (
    ("channel", "channel"),
    ("video_id", "video_id"),
    ("clip", "number"),
    ("project_id", "project_id"),
    ("sentence_id", "sentence_id"),
)
"""Names in the log → fields of what an activity is handed."""

_log = structlog.get_logger()


class Failures(Interceptor):
    """`StudioError` → `ApplicationError` with its type, its delay and whether it may be retried."""

    def __init__(self, hide: Callable[[str], str], *, endless: frozenset[str] = frozenset()) -> None:
        """Create the interceptor.

        Args:
            hide: removes secrets from a text.
            endless: activities that never become non-retryable by counting, for example those that record results.
        """
        self._hide = hide
        self._endless = endless
        self._surprises = _Surprises()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self._hide, self._surprises, self._endless)


class _Surprises:
    """How many each activity has met. Attempts do not tell: looking at a task takes hundreds of them."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, str], int] = {}

    def met_another(self) -> int:
        """Count one more for the activity that runs; returns how many that makes."""
        info = activity.info()
        key = (info.workflow_run_id or "", info.activity_id)
        self._met[key] = self._met.pop(key, 0) + 1
        if len(self._met) > REMEMBERED:
            del self._met[next(iter(self._met))]
        return self._met[key]


class _Inbound(ActivityInboundInterceptor):
    def __init__(
        self,
        next: ActivityInboundInterceptor,
        hide: Callable[[str], str],
        surprises: _Surprises,
        endless: frozenset[str],
    ) -> None:
        super().__init__(next)
        self._hide = hide
        self._surprises = surprises
        self._endless = endless

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        with structlog.contextvars.bound_contextvars(**_names(input)):
            try:
                return await super().execute_activity(input)
            except (asyncio.CancelledError, FailureError):
                raise
            except StudioError as error:
                self._raise_known(error)
            except Exception as error:
                self._raise_surprise(error)

    def _raise_known(self, error: StudioError) -> NoReturn:
        if not error.benign:
            _log.warning("activity.failed", error_type=type(error).__name__, error=str(error))
        raise ApplicationError(
            self._hide(str(error))[:LONGEST_MESSAGE],
            type=type(error).__name__,
            non_retryable=not error.retryable,
            next_retry_delay=error.retry_after,
            category=ApplicationErrorCategory.BENIGN if error.benign else ApplicationErrorCategory.UNSPECIFIED,
        ) from None  # a cause would carry its text into the history past the hiding

    def _raise_surprise(self, error: Exception) -> NoReturn:
        _log.exception("activity.surprised", error_type=type(error).__name__)
        raise ApplicationError(
            self._hide(f"{type(error).__name__}: {error}")[:LONGEST_MESSAGE],
            type=type(error).__name__,
            non_retryable=activity.info().activity_type not in self._endless
            and self._surprises.met_another() >= SURPRISES,
        ) from None


def _names(input: ExecuteActivityInput) -> dict[str, Any]:
    """What every log line of this activity says: which activity, which attempt, which video, clip or sentence."""
    info = activity.info()
    names: dict[str, Any] = {"activity": info.activity_type, "attempt": info.attempt, "workflow_id": info.workflow_id}
    contract = input.args[0] if input.args else None
    inside = (getattr(contract, name, None) for name in ("clip", "request", "result", "plan"))
    source = next((found for found in inside if found is not None), contract)
    for name, field in _WHOSE:
        if (value := getattr(source, field, None)) is not None:
            names[name] = value
    return names
