"""Payloads of any origin as the values their readers take, or as the reason why not.

A workflow is sent payloads by anybody: other languages, the web UI, `temporal workflow signal`. In a workflow nothing
that is decoded raises: an exception there fails the workflow *task*, which Temporal repeats for ever. What does not
fit becomes an `Unfit`, and `inbound` decides what that means: a signal is dropped, an update or a query is refused,
a start ends as `InvalidRequest`, an activity has failed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.exceptions import ApplicationError

from studio.contracts.base import Contract
from studio.contracts.complaint import complaint
from studio.secrets import hide_in_payload

_JSON = b"json/plain"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""A NUL as JSON writes it: the backslash before its `u` is not itself escaped."""


@dataclass(frozen=True)
class Unfit:
    """Stands where a value would that was not what its reader takes."""

    reason: str
    """One line per problem, in the form `clips.0.seconds: must be 5 or 10, not 7`."""


class TolerantPayloadConverter(PydanticPayloadConverter):
    """Contracts as JSON. In a workflow what does not fit becomes an `Unfit`; elsewhere it is an `ApplicationError`."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """No secret of ours enters a history, whatever a provider put into its answers."""
        payloads = super().to_payloads(values)
        for payload in payloads:
            if (hidden := hide_in_payload(payload.data)) != payload.data:
                payload.data = hidden
        return payloads

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        if not workflow.unsafe.in_sandbox():
            try:
                return super().from_payloads(payloads, type_hints)
            except ValidationError as error:
                raise ApplicationError(complaint(error), type="InvalidRequest", non_retryable=True) from None
        if type_hints == []:  # a handler without parameters looks at nothing, ten thousand times in a second
            return []
        hints: list[Any] = type_hints or [None] * len(payloads)
        return [self._fitted(payload, hint) for payload, hint in zip(payloads, hints, strict=False)]

    def _fitted(self, payload: Payload, hint: Any) -> Any:
        encoding = payload.metadata.get("encoding", b"")
        if hint is not RawValue and encoding == _JSON:
            payload = _clean(payload)
        try:
            value = super().from_payloads([payload], None if hint is None else [hint])[0]
            if hint is None or hint is RawValue:
                return value
            if encoding != _JSON:  # these converters do not look at the hint
                return adapter(hint).validate_python(value, strict=True)
        except ValidationError as error:
            return Unfit(
                complaint(error, root="request" if isinstance(hint, type) and issubclass(hint, Contract) else "input")
            )
        except Exception as error:  # an unknown encoding, bytes that are none of it, whatever a converter stumbles over
            return Unfit(_undecodable(encoding, error))
        if hint in (int, float) and payload.data.strip() in (b"true", b"false"):
            return Unfit(f"input: must be a number, not {payload.data.strip().decode()}")
        return value


@lru_cache(maxsize=256)
def adapter(hint: Any) -> TypeAdapter[Any]:
    """What checks values of a type; building one takes a millisecond."""
    return TypeAdapter(hint)


def _clean(payload: Payload) -> Payload:
    """Without a byte order mark, and with U+FFFD for every NUL: PostgreSQL stores none."""
    data = payload.data
    if b"\\u0000" not in data and not data.startswith(_BYTE_ORDER_MARK):
        return payload
    return Payload(metadata=payload.metadata, data=_NUL.sub(rb"\1\\ufffd", data.removeprefix(_BYTE_ORDER_MARK)))


def _undecodable(encoding: bytes, error: Exception) -> str:
    if encoding == _JSON:
        return f"input: cannot be read ({type(error).__name__})"
    name = encoding.decode(errors="replace")[:60] or "none"
    return f"input: its encoding is {name}; send JSON, encoding json/plain"
