"""The border of a client: whatever happens inside, only our own errors leave."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import structlog

from studio.errors import StudioError
from studio.providers._http import AnswerLost

P = ParamSpec("P")
T = TypeVar("T")

_log = structlog.get_logger()


def bordered(
    service: str, error: Callable[[str], StudioError]
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Turn what a method did not foresee in an answer into `error`, and a lost answer, too.

    The message names the kind of surprise, never its text, which may hold what the service sent.
    """

    def wrap(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(method)
        async def called(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await method(*args, **kwargs)
            except StudioError:
                raise
            except AnswerLost as lost:
                raise error(str(lost)) from None
            except Exception as odd:
                raise error(unforeseen(service, odd)) from None

        return called

    return wrap


def unforeseen(service: str, odd: Exception) -> str:
    """Words for a surprise, which is logged with its place in our code."""
    trace = odd.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else "?"
    _log.warning("answer.unforeseen", service=service, error_type=type(odd).__name__, at=at)
    return f"{service} gave an answer that cannot be read ({type(odd).__name__})"
