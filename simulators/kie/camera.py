"""Which way the camera goes: read from the last sentence of a prompt, as a model would understand it."""

import re

from studio.contracts.clip import CameraMove

# The first that matches wins, so the more exact words come first.
_SAID: tuple[tuple[CameraMove, str], ...] = (
    (
        CameraMove.STATIC,
        r"\b(static|locked|lock-off|tripod|stationary)\b|\b(fixed|still|motionless) (camera|shot|frame)",
    ),
    (CameraMove.STATIC, r"\bcamera (stays|holds|is|remains) (still|fixed|put|motionless)"),
    (CameraMove.ORBIT, r"\b(orbit|arc|circl|revolv)\w*"),
    (CameraMove.PAN_LEFT, r"\b(pan|whip)\w*\b[^.]{0,20}\bleft\b"),
    (CameraMove.PAN_RIGHT, r"\b(pan|whip)\w*\b"),
    (CameraMove.ZOOM_OUT, r"\b(pull|zoom|doll|mov|track|creep)\w*\b[^.]{0,12}\b(back\w*|out\w*|away)\b"),
    (CameraMove.ZOOM_IN, r"\b(push|zoom|doll|creep|mov)\w*\b[^.]{0,12}\b(in|into|forward|closer|towards?)\b"),
    (CameraMove.TRUCK, r"\b(truck|track|sideways|alongside|lateral)\w*"),
)
_PATTERNS = tuple((move, re.compile(pattern)) for move, pattern in _SAID)


def move_of(prompt: str) -> CameraMove:
    """The move the last sentence names; a slow push in when it names none."""
    sentences = [part for part in re.split(r"(?<=[.!?;])\s+", prompt.strip().lower()) if part]
    last = sentences[-1] if sentences else ""
    return next((move for move, pattern in _PATTERNS if pattern.search(last)), CameraMove.ZOOM_IN)
