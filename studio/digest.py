"""The digest of what an artefact is made from: same inputs, same artefact, made once and paid once."""

import hashlib
import json
from collections.abc import Mapping
from typing import TypeAlias

Part: TypeAlias = str | int | float | bool | None


def digest_of(kind: str, parts: Mapping[str, Part]) -> str:
    """SHA-256, hexadecimal, over `parts` as canonical JSON (sorted keys, no spaces, UTF-8)."""
    text = json.dumps([kind, dict(parts)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
