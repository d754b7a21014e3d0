"""Motion prompts: what happens first, the camera last.

Kling weighs the beginning of a prompt most. A prompt that begins with the camera gets a moving camera over a
still scene, so the order is fixed: core action, details, sequence, surroundings, camera movement.
"""

import re
import unicodedata

from studio.contracts.clip import PROMPT_LIMIT, MotionPrompt
from studio.errors import InvalidRequest

_MANNER = (
    "a an the very slow slowly smooth smoothly gentle gently quick quickly fast rapid rapidly steady steadily subtle "
    "subtly gradual gradually dramatic dramatically cinematic handheld sweeping wide low high"
)
_MOVES = (
    "dolly dollies dollying zoom zooms zooming pan pans panning tilt tilts tilting truck trucks trucking track tracks "
    "tracking push pushes pushing pull pulls pulling crane cranes craning boom booms booming pedestal orbit orbits "
    "orbiting arc arcs arcing"
)
_WHERE = (
    "in out into left right forward forwards back backward backwards up upward upwards down downward downwards around "
    "toward towards away across along over through shot move movement motion"
)
_CAMERA_ACTS = "move moves moving glides flies follows circles rises descends sweeps movement motion"
_CAMERA_SHOTS = "tracking panning dolly zooming orbiting crane drone aerial trucking travelling traveling steadicam"


def _any(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


_CAMERA_FIRST = re.compile(
    rf"""^(?:{_any(_MANNER)}[ ,-]+)*(?:
        camera\b(?:[ ]\w+)?(?:[ ]{_any(_MOVES + " " + _CAMERA_ACTS)}\b|:)  # "the camera slowly pans", "Camera: ..."
        |{_any(_MOVES)}[ -]{_any(_WHERE)}\b                                # "zoom in", "push-in"
        |(?:dolly|zoom|pan|tilt)(?=[.,;:!]|$)                              # "slow pan."
        |{_any(_CAMERA_SHOTS)}[ ]shot\b                                    # "tracking shot of"
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def render(prompt: str | MotionPrompt) -> str:
    """The prompt as one text, in the order Kling needs."""
    if isinstance(prompt, str):
        return prompt
    parts = (prompt.action, prompt.details, prompt.sequence, prompt.surroundings, prompt.camera)
    return " ".join(_sentence(part) for part in parts if part.strip())


def check(prompt: str | MotionPrompt, *, limit: int = PROMPT_LIMIT) -> None:
    """Refuse a prompt that would waste a paid clip.

    Raises:
        InvalidRequest: it is empty, too long, or begins with the camera; the message says how to mend it.
    """
    text = render(prompt)
    if not text.strip():
        raise InvalidRequest("the prompt is empty")
    if len(text) > limit:
        raise InvalidRequest(f"the prompt has {len(text)} characters, {limit} are allowed")
    if begins_with_camera(text):
        raise InvalidRequest(
            "the prompt begins with camera movement, and Kling would move the camera instead of the scene. "
            f'Say what happens first and the camera last: "{camera_last(text)[:160]}"'
        )


def begins_with_camera(text: str) -> bool:
    """Is camera movement the first thing this text says?"""
    return _CAMERA_FIRST.match(_visible(text).strip()) is not None


def _visible(text: str) -> str:
    """As it is seen: without signs of no width (Unicode category Cf), every kind of space as a space."""
    shown = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return re.sub(r"\s+", " ", shown)


def camera_last(text: str) -> str:
    """The same sentences, those about the camera moved from the beginning to the end."""
    sentences = [part for part in re.split(r"(?<=[.!?])\s+", _visible(text).strip()) if part]
    leading = 0
    while leading < len(sentences) and begins_with_camera(sentences[leading]):
        leading += 1
    return " ".join(_sentence(part) for part in sentences[leading:] + sentences[:leading])


def _sentence(part: str) -> str:
    part = part.strip()
    return part if part.endswith((".", "!", "?")) else part.rstrip(",;: ") + "."
