"""A first draft of a video's prompts from a topic and a story direction, without a language model.

The draft is meant to be edited. It spreads the story's beats over the clips in order, gives every clip the
five parts of a motion prompt and never uses the same camera twice in a row. Same words in, same draft out.
"""

import hashlib
import re

from studio.contracts.clip import CameraMove, MotionPrompt
from studio.errors import InvalidRequest
from studio.prompts.camera import WORDS

_OPENING, _MIDDLE, _CLOSING = "opening", "middle", "closing"

_ACTIONS = {
    _OPENING: ("{topic} comes into view: {beat}", "The first moments of {beat} unfold around {topic}"),
    _MIDDLE: (
        "{topic} moves through {beat}",
        "{beat} shows itself in {topic}",
        "{topic} changes as {beat} goes on",
        "{topic} pauses, turns and goes on with {beat}",
    ),
    _CLOSING: ("{topic} comes to rest: {beat}", "{beat} draws to its end around {topic}"),
}
_DETAILS = (
    "Small movements first: weight shifts, edges sway",
    "The nearest parts move most, the distance hardly at all",
    "Surfaces catch the light as they turn",
    "Fine textures ripple with each movement",
    "One part leads, the others follow a moment later",
)
_SEQUENCES = (
    "The movement starts slowly, grows, and settles",
    "One thing sets off the next, from left to right",
    "First the foreground stirs, then the background answers",
    "The motion builds to one clear moment and eases off",
)
_SURROUNDINGS = (
    "Soft light, a light breeze, dust in the air",
    "Low sun with long shadows, calm air",
    "Diffuse daylight, thin haze far behind",
    "Warm light from one side, deep quiet shadows on the other",
    "Cool clear light after rain, small reflections",
)
_CAMERAS = (
    CameraMove.ZOOM_IN,
    CameraMove.PAN_RIGHT,
    CameraMove.TRUCK,
    CameraMove.ZOOM_OUT,
    CameraMove.PAN_LEFT,
    CameraMove.ORBIT,
)


def draft_manifest(topic: str, story_direction: str, n: int = 18) -> list[MotionPrompt]:
    """`n` motion prompts (1 to 500) that tell `story_direction` about `topic`, in order.

    Raises:
        InvalidRequest: no topic, or `n` out of range.
    """
    if not topic.strip():
        raise InvalidRequest("topic: say what the video is about")
    if not 1 <= n <= 500:
        raise InvalidRequest(f"n: {n} clips are asked for, 1 to 500 are possible")
    beats = _beats(story_direction) or [topic.strip()]
    turn = hashlib.sha256(f"{topic}\x1f{story_direction}".encode()).digest()
    return [_clip(topic.strip(), beats[place * len(beats) // n], place, n, turn) for place in range(n)]


def _beats(story_direction: str) -> list[str]:
    """The story's steps: what stands between full stops, semicolons, commas and arrows, after a colon."""
    found: list[str] = []
    for sentence in re.split(r"[.!?;\n]+", story_direction):
        told = sentence.rpartition(":")[2]
        found += [part.strip() for part in re.split(r",|->|→|\bthen\b|\band then\b", told)]
    return [re.sub(r"^(and|then)\s+", "", part) for part in found if part]


def _clip(topic: str, beat: str, place: int, n: int, turn: bytes) -> MotionPrompt:
    act = _OPENING if place == 0 else _CLOSING if place == n - 1 and n > 1 else _MIDDLE
    actions = _ACTIONS[act]
    action = actions[(turn[0] + place) % len(actions)].format(topic=topic, beat=beat)
    return MotionPrompt(
        action=action[0].upper() + action[1:],
        details=_DETAILS[(turn[1] + place) % len(_DETAILS)],
        sequence=_SEQUENCES[(turn[2] + place) % len(_SEQUENCES)],
        surroundings=_SURROUNDINGS[(turn[3] + place // 2) % len(_SURROUNDINGS)],
        camera=WORDS[_CAMERAS[(turn[4] + place) % len(_CAMERAS)]],
    )
