"""Logs: one JSON object per line, video and clip on every line, no secret on any."""

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from studio.secrets import HIDDEN, Hider

__all__ = ["HIDDEN", "HideSecrets", "hider", "set_up_logs"]


def hider(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that takes known secrets in any spelling, and whatever looks like one, out of a text."""
    return Hider(secrets)


class HideSecrets:
    """The processor that every line passes before it is written."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {name: self._clean(value) for name, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self._hide(value)
        if isinstance(value, dict):
            return {self._clean(name): self._clean(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(item) for item in value]
        return value if isinstance(value, (int, float, bool, type(None))) else self._hide(str(value))


def set_up_logs(
    *, level: str = "info", style: Literal["json", "console"] = "json", hide: Callable[[str], str] | None = None
) -> None:
    """Send everything, Temporal's own lines included, to stderr in one shape."""
    hiding: list[Processor] = [HideSecrets(hide or hider(()))]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *hiding, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Every failed attempt, with a traceback; `activity.failed` says the same in a line.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)
