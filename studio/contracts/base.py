"""The words every other contract is made of."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Annotated, Any, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from studio.contracts.texts import MimeType

IDENTIFIER = r"^[A-Za-z0-9_-]{1,100}$"
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER)]
"""A name chosen by a caller: a channel, a video. It becomes part of object keys and workflow ids."""

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
OBJECT_KEY = rf"^{_SEGMENT}(/{_SEGMENT})*$"
ObjectKey = Annotated[str, StringConstraints(pattern=OBJECT_KEY, max_length=900)]
"""Where a file lies in the object store: relative, no `..`."""


def is_object_key(text: str) -> bool:
    """Whether a text is an `ObjectKey`."""
    return len(text) <= 900 and re.fullmatch(OBJECT_KEY.rstrip("$"), text) is not None


SHA_256 = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, StringConstraints(pattern=SHA_256)]
"""SHA-256 of a file's bytes, lower-case hexadecimal."""

PRINTABLE = r"^[!-~]{1,400}$"
Reference = Annotated[str, StringConstraints(pattern=PRINTABLE)]
"""A name by which something is found again: a workflow id, a ticket, an order. Temporal refuses a command that names
a workflow by nothing or by more than 1,000 bytes, and repeats the workflow task for ever."""

_NOISE = Decimal("0.000000001")


def _without_noise(amount: Any) -> Any:
    """0.30000000000000004, as other languages write 0.1 + 0.2, is 0.30."""
    if not isinstance(amount, float):
        return amount
    try:
        exact = Decimal(repr(amount))
        rounded = exact.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN)
    except ArithmeticError:  # infinite, or larger than any amount: said by what comes next
        return amount
    return rounded if rounded != exact and abs(rounded - exact) < _NOISE else amount


Usd = Annotated[Decimal, Field(max_digits=14, decimal_places=6), BeforeValidator(_without_noise)]
"""US dollars, exact."""


class SetByWorkflow:
    """Marks a field that a workflow hands to its next run when it continues as new. Nobody else may set it."""


class _Unread(tuple[str, ...]):
    """Names of fields that were sent and not read. They make no two contracts different."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unread)

    def __hash__(self) -> int:
        return hash(_Unread)


class Contract(BaseModel):
    """A value that travels between processes.

    Frozen. Unknown fields are ignored, so that older code reads newer data; a field added later has a
    default, so that newer code reads older histories. Null counts as absent where a field has no null, since
    other languages write it for what nobody set.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    _unknown: _Unread = PrivateAttr(default=_Unread())

    @property
    def unknown_fields(self) -> tuple[str, ...]:
        """Names that were sent and mean nothing here."""
        return self._unknown

    @model_validator(mode="wrap")
    @classmethod
    def _as_sent(cls, sent: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(sent, dict):
            return handler(sent)
        nullable = _fields(cls)
        if any(value is None and not nullable.get(name, True) for name, value in sent.items()):
            sent = {name: value for name, value in sent.items() if value is not None or nullable.get(name, True)}
        value = handler(sent)
        if not nullable.keys() >= sent.keys():
            value._unknown = _Unread(str(name) for name in sent if name not in nullable)
        return value


@cache
def _fields(contract: type[Contract]) -> dict[str, bool]:
    """Every name a contract reads, and whether null is a value of it."""
    return {
        name: field.annotation is Any or type(None) in get_args(field.annotation)
        for key, field in contract.model_fields.items()
        for name in (key, field.alias or key)
    }


def set_by_workflow(value: Contract) -> list[str]:
    """Fields marked `SetByWorkflow` that have been set."""
    return [
        name
        for name, field in type(value).model_fields.items()
        if SetByWorkflow in field.metadata and getattr(value, name) != field.get_default(call_default_factory=True)
    ]


class MediaRef(Contract):
    """A file in the object store. Its bytes never travel through Temporal."""

    key: ObjectKey = Field(description="Where the file lies, from the root of the object store.")
    sha256: Sha256 = Field(description="SHA-256 of the bytes; whoever reads the file checks it.")
    mime: MimeType = Field(description="Media type, for example image/png or video/mp4.")
    size: int = Field(default=0, ge=0, description="Length in bytes; 0 when nobody counted.")
