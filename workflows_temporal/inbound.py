"""What reaches a workflow, fitted to what its handlers take: one stray input must not stop it.

An exception in a handler, or a handler that is called with other arguments than it has, fails the workflow task, and
Temporal repeats that for ever. So everything passes here first. A signal that does not fit is dropped and logged, an
update is rejected in its validation, a query is answered with the reason, a start ends as `InvalidRequest`, and an
activity whose result cannot be read has failed. A handler without parameters takes anything and looks at nothing.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Concatenate, NoReturn, ParamSpec, cast, get_origin

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, RetryState
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from studio.contracts.base import Contract, set_by_workflow
from studio.contracts.complaint import complaint, unknown_fields
from workflows_temporal.addresses import WORKFLOW_IDS
from workflows_temporal.payloads import Unfit, adapter

INVALID_REQUEST = "InvalidRequest"
INVALID_RESULT = "InvalidResult"
"""Error types of what was asked for, and of what an activity returned."""
LONGEST_LOGGED = 300
"""Characters of a reason in a log line: anybody can send signals."""
LOGGED_ALL, LOGGED_EVERY = 100, 1_000
"""Dropped signals of a run that are logged: the first ones all, then one of so many."""
UNKNOWN_FIELDS = "refuse-unknown-fields-2026-11"
"""Patch id: a run that began while a field was known goes on after the field is gone (decision 0026)."""

_REFUSAL = "_refusal"
P = ParamSpec("P")


def fitted(init: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """Keep input that does not fit away from a workflow's `@workflow.init`; `run` then ends as `InvalidRequest`."""

    @functools.wraps(init)
    def fits(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
        refusal = _refusal(init, args)
        setattr(self, _REFUSAL, refusal)
        if refusal is None:
            init(self, *args, **kwargs)

    return fits


class Inbound(Interceptor):
    """Puts the fitting in front of every workflow of a worker."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    _dropped = 0

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.next.init(_Outbound(outbound))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        if refusal := _refusal(input.run_fn, input.args) or _unknown(input.args):
            if not _from_outside():
                # Our own words to ourselves: another version of the worker can read them, so the task waits for it.
                raise RuntimeError(f"the state of the previous run cannot be read: {refusal}")
            raise _invalid(refusal)
        workflow.set_dynamic_signal_handler(_drop_unknown_signal)
        workflow.set_dynamic_query_handler(_refuse_unknown_query)
        workflow.set_dynamic_update_handler(_unknown_update, validator=_refuse_unknown_update)
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        try:
            handler = workflow.get_signal_handler(input.signal) or workflow.get_dynamic_signal_handler()
            input.args = _fit(handler, input.args)
            await self.next.handle_signal(input)
        except Exception as error:
            self._drop(input.signal, error)

    def _drop(self, signal: str, error: Exception) -> None:
        """Ten thousand may come with one workflow task, which has two seconds: a line for each would cost half."""
        self._dropped += 1
        if self._dropped > LOGGED_ALL and self._dropped % LOGGED_EVERY:
            return
        expected = isinstance(error, ApplicationError) and error.type == INVALID_REQUEST
        workflow.logger.warning(
            "signal.dropped",
            extra={"signal": signal[:LONGEST_LOGGED], "reason": _logged(error), "dropped": self._dropped},
            exc_info=None if expected else error,
        )

    async def handle_query(self, input: HandleQueryInput) -> Any:
        input.args = _fit(workflow.get_query_handler(input.query) or workflow.get_dynamic_query_handler(), input.args)
        return await self.next.handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        input.args = _fit(_update_handler(input), input.args)
        try:
            self.next.handle_update_validator(input)
        except FailureError:
            raise
        except Exception as error:
            raise _invalid(f"{input.update}: {_logged(error)}") from error

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        input.args = _fit(_update_handler(input), input.args)
        try:
            return await self.next.handle_update_handler(input)
        except FailureError:
            raise
        except Exception as error:
            raise _invalid(f"{input.update}: {_logged(error)}") from error


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        running = super().start_activity(input)
        return cast("workflow.ActivityHandle[Any]", _Checked(running, input))


class _Checked(asyncio.Future[Any]):
    """An activity whose unreadable result is its failure. To cancel it is to cancel the activity itself."""

    def __init__(self, running: workflow.ActivityHandle[Any], input: StartActivityInput) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._running, self._input = running, input
        running.add_done_callback(self._take)

    def cancel(self, msg: Any | None = None) -> bool:
        return not self.done() and self._running.cancel(msg)

    def _take(self, running: asyncio.Future[Any]) -> None:
        if running.cancelled():
            super().cancel()
        elif error := running.exception():
            self.set_exception(error)
        elif isinstance(result := running.result(), Unfit):
            self.set_exception(_unreadable(result, self._input))
        else:
            self.set_result(result)


def _refusal(start: Callable[..., Any], args: Sequence[Any]) -> str | None:
    """Why a workflow does not begin with these; None: it does. `start` is its `run` or its `__init__`, unbound."""
    info = workflow.info()
    if len(args) != (wanted := len(_parameters(start)) - 1):
        return f"{info.workflow_type} takes {_inputs(wanted)}, {len(args)} were sent"
    if reasons := [arg.reason for arg in args if isinstance(arg, Unfit)]:
        return "\n".join(reasons)
    if not _from_outside():
        return None
    if info.cron_schedule:
        return "a cron schedule would run it again and again under one id; use a Schedule of Temporal's"
    for arg in args:
        if isinstance(arg, Contract) and (kept := set_by_workflow(arg)):
            return f"{', '.join(kept)}: set by the workflow itself when it continues as new; leave it out"
    return _wrong_id(info.workflow_type, info.workflow_id, args)


def _wrong_id(workflow_type: str, workflow_id: str, args: Sequence[Any]) -> str | None:
    """Callbacks, recovery and the command line find a workflow by its id alone."""
    id_of = WORKFLOW_IDS.get(workflow_type)
    if id_of is None or not args or (right := id_of(args[0])) == workflow_id:
        return None
    return f"the workflow id is {workflow_id}; what is asked for here has the id {right}: start it under that"


def _unknown(args: Sequence[Any]) -> str | None:
    """A field no contract has is a slip that must not stay unseen: a budget that is not applied, for example.

    Not for a run of ours: while workers of two versions run, one may send what the other does not know yet.
    """
    if not _from_outside() or _parent_is_ours():
        return None
    unknown = [line for arg in args for line in unknown_fields(arg)]
    return "\n".join(unknown) if unknown and workflow.patched(UNKNOWN_FIELDS) else None


def _from_outside() -> bool:
    """Was the input written by somebody else than the previous run of this workflow?

    A retry and a cron run have a previous run too, and begin with the first one's input.
    """
    info = workflow.info()
    return info.continued_run_id is None or info.attempt > 1 or bool(info.cron_schedule)


def _parent_is_ours() -> bool:
    parent = workflow.info().parent
    return parent is not None and parent.workflow_id.startswith(("video/", "desk/"))


def _fit(handler: Callable[..., Any] | None, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments a handler takes; raises `ApplicationError` when these are not."""
    if refused := getattr(workflow.instance(), _REFUSAL, None):
        raise _invalid(refused)
    assert handler is not None  # the dynamic one, if there is no other
    types = _parameters(handler)
    if not types:
        return []
    if len(args) != len(types):
        raise _invalid(f"takes {_inputs(len(types))}, {len(args)} were sent")
    if reasons := [arg.reason for arg in args if isinstance(arg, Unfit)]:
        raise _invalid("\n".join(reasons))
    try:
        return [_bounded(arg, wanted) for arg, wanted in zip(args, types, strict=True)]
    except ValidationError as error:
        raise _invalid(complaint(error, root="input")) from None


def _bounded(arg: Any, wanted: Any) -> Any:
    """What the SDK does not look at: the constraints of an `Annotated` parameter, for example `Reference`."""
    return adapter(wanted).validate_python(arg) if get_origin(wanted) is Annotated else arg


def _update_handler(input: HandleUpdateInput) -> Callable[..., Any] | None:
    return workflow.get_update_handler(input.update) or workflow.get_dynamic_update_handler()


def _parameters(handler: Callable[..., Any]) -> list[Any]:
    """The types of what a handler is called with, without `self`. The SDK binds that with `partial`."""
    bound = 0
    if isinstance(handler, functools.partial):
        bound = len(handler.args)
        handler = handler.func
    elif inspect.ismethod(handler):
        handler, bound = handler.__func__, 1
    code = handler.__code__  # inspect.signature takes as long as all the rest, and ten thousand signals may come
    return [handler.__annotations__.get(name) for name in code.co_varnames[bound : code.co_argcount]]


def _inputs(count: int) -> str:
    return {0: "no input", 1: "one input"}.get(count, f"{count} inputs")


def _invalid(reason: str) -> ApplicationError:
    return ApplicationError(reason, type=INVALID_REQUEST, non_retryable=True)


def _unreadable(result: Unfit, input: StartActivityInput) -> ActivityError:
    error = ActivityError(
        "Activity result cannot be read",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=input.activity,
        activity_id=input.activity_id or "",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = ApplicationError(
        f"{input.activity} returned what cannot be read: {result.reason.removeprefix('request: ')}",
        type=INVALID_RESULT,
        non_retryable=True,
    )
    return error


def _logged(error: Exception) -> str:
    return (str(error) if isinstance(error, FailureError) else f"{type(error).__name__}: {error}")[:LONGEST_LOGGED]


def _drop_unknown_signal(name: str, args: Sequence[RawValue]) -> None:
    raise _invalid(f"{workflow.info().workflow_type} has no signal of this name")


def _refuse_unknown_query(name: str, args: Sequence[RawValue]) -> NoReturn:
    raise _invalid(_no_such("query", name, workflow.info().workflow_type))


async def _unknown_update(name: str, args: Sequence[RawValue]) -> NoReturn:
    raise _invalid(_no_such("update", name, workflow.info().workflow_type))


def _refuse_unknown_update(name: str, args: Sequence[RawValue]) -> None:
    raise _invalid(_no_such("update", name, workflow.info().workflow_type))


def _no_such(kind: str, name: str, workflow_type: str) -> str:
    return f"{workflow_type} has no {kind} {name[:LONGEST_LOGGED]}"
