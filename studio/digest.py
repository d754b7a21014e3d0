"""The digest of what an artefact is made from: same inputs, same artefact, made once and paid once."""

import hashlib
import json
from collections.abc import Mapping

TAKE_FORMAT = "take-1"
"""Changes when the meaning of a take's parts changes; every older take is then made anew."""


def digest_of(kind: str, parts: Mapping[str, str | int | float | bool | None]) -> str:
    """SHA-256, hexadecimal, over `parts` as canonical JSON (sorted keys, no spaces, UTF-8)."""
    text = json.dumps([kind, dict(parts)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def kling_take(*, model: str, prompt: str, still_sha256: str, seconds: int) -> str:
    """The digest of a clip made by Kling: everything the provider is told, the still by its bytes."""
    return digest_of(
        TAKE_FORMAT,
        {"provider": "kling", "model": model, "prompt": prompt, "still": still_sha256, "seconds": seconds},
    )
