"""The words every other contract is made of."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
"""A name chosen by a caller: a channel, a film. It becomes part of object keys and workflow ids."""

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
_KEY = rf"^{_SEGMENT}(/{_SEGMENT})*$"
ObjectKey = Annotated[str, StringConstraints(pattern=_KEY, max_length=900)]
"""Where a file lies in the object store: relative, no `..`."""


def is_object_key(text: str) -> bool:
    """Whether a text is an `ObjectKey`."""
    return len(text) <= 900 and re.fullmatch(_KEY.rstrip("$"), text) is not None


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file's bytes, lower-case hexadecimal."""

Usd = Annotated[Decimal, Field(max_digits=14, decimal_places=6)]
"""US dollars, exact."""


class Contract(BaseModel):
    """A value that travels between processes.

    Frozen. Unknown fields are ignored, so that older code reads newer data; a field added later has a
    default, so that newer code reads older histories.
    """

    model_config = ConfigDict(frozen=True)


class MediaRef(Contract):
    """A file in the object store. Its bytes never travel through Temporal."""

    key: ObjectKey = Field(description="Where the file lies, from the root of the object store.")
    sha256: Sha256 = Field(description="SHA-256 of the bytes; whoever reads the file checks it.")
    mime: str = Field(description="Media type, for example image/png or video/mp4.")
    size: int = Field(default=0, ge=0, description="Length in bytes; 0 when nobody counted.")
