"""Camera movement in words: read from a prompt, written into one."""

import re

from studio.contracts.clip import CameraMove, MotionPrompt

WORDS: dict[CameraMove, str] = {
    CameraMove.STATIC: "Static camera",
    CameraMove.PAN_LEFT: "Slow pan left",
    CameraMove.PAN_RIGHT: "Slow pan right",
    CameraMove.ZOOM_IN: "Slow dolly forward",
    CameraMove.ZOOM_OUT: "Slow pull back",
    CameraMove.ORBIT: "Slow orbit around the subject",
    CameraMove.TRUCK: "Smooth truck alongside the subject",
}
"""How a move is said to a model that has no numbers for it."""

PACES: tuple[tuple[float, str], ...] = (
    (0.2, "barely perceptible"),
    (0.4, "very slow"),
    (0.6, "slow"),
    (0.8, "brisk"),
    (1.0, "fast"),
)
"""Strength up to and including → how a move is paced in words."""

_PACED: dict[CameraMove, str] = {
    CameraMove.PAN_LEFT: "pan left",
    CameraMove.PAN_RIGHT: "pan right",
    CameraMove.ZOOM_IN: "dolly forward",
    CameraMove.ZOOM_OUT: "pull back",
    CameraMove.ORBIT: "orbit around the subject",
    CameraMove.TRUCK: "truck alongside the subject",
}

# First match wins: the more exact words stand first.
_PATTERNS: tuple[tuple[re.Pattern[str], CameraMove], ...] = tuple(
    (re.compile(pattern), move)
    for pattern, move in (
        (r"\b(static|locked[- ]off|fixed|motionless|still) (camera|shot|frame)", CameraMove.STATIC),
        (r"\bcamera (stays|holds|is) (still|static|fixed)", CameraMove.STATIC),
        (r"\b(orbit\w*|arcs?|circl\w+|revolv\w+)\b", CameraMove.ORBIT),
        (r"\bpan(s|ned|ning)?\b.{0,20}\bleft\b|\bwhip left\b", CameraMove.PAN_LEFT),
        (r"\bpan(s|ned|ning)?\b", CameraMove.PAN_RIGHT),
        (r"\b(pull|zoom|dolly|dolli|mov)\w* (slowly |gently )?(back\w*|out|away)\b", CameraMove.ZOOM_OUT),
        (r"\b(truck\w*|tracking|tracks|sideways|alongside)\b", CameraMove.TRUCK),
        (r"\b(push\w*|zoom\w*|doll(y|ies|ied|ying)|creep(s|ing)?|forward)\b", CameraMove.ZOOM_IN),
    )
)


# "Slow pan left." and "The camera orbits." do, "He creeps forward." does not.
_OF_THE_CAMERA = re.compile(
    r"\bcamera\b|^((barely perceptible|very|slow|gentle|smooth|brisk|fast|quick)(ly)? )*"
    r"(pan|dolly|zoom|orbit|truck|tracking|pull|push)\b"
)


def words_for(move: CameraMove, strength: float) -> str:
    """A move and how far it goes, in words: `Very slow pan left`. `strength` from 0 to 1; a static camera has none."""
    if move is CameraMove.STATIC:
        return WORDS[move]
    pace = next(words for most, words in PACES if strength <= most)
    return f"{pace} {_PACED[move]}".capitalize()


def said_strength(strength: float) -> float:
    """The middle of all strengths that are said with the same words."""
    return round(next(most for most, _ in PACES if strength <= most) - 0.1, 1)


def with_camera(prompt: str, move: CameraMove, strength: float) -> str:
    """The prompt with its camera movement said at the end, for a model that has no numbers for it."""
    text = prompt.rstrip()
    end = "" if text.endswith((".", "!", "?", ";")) else "."
    return f"{text}{end} {words_for(move, strength)}."


def move_of(prompt: str | MotionPrompt, default: CameraMove = CameraMove.ZOOM_IN) -> CameraMove:
    """The camera move a prompt asks for: read from its camera part, or from the end of its text."""
    text = prompt.camera if isinstance(prompt, MotionPrompt) else _last_sentence(prompt)
    return _move_in(text.lower()) or default


def named_move(prompt: str) -> CameraMove | None:
    """The move that the last sentence of a prompt names, if the camera is what it speaks of. None: it is not."""
    said = _last_sentence(prompt).lower()
    return _move_in(said) if _OF_THE_CAMERA.search(said) else None


def _move_in(lowered: str) -> CameraMove | None:
    return next((move for pattern, move in _PATTERNS if pattern.search(lowered)), None)


def _last_sentence(text: str) -> str:
    sentences = [part for part in re.split(r"(?<=[.!?;])\s+", text.strip()) if part]
    return sentences[-1] if sentences else ""
