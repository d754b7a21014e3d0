"""What each engine takes as a still, and what a still is prepared to be for it."""

from collections.abc import Mapping

from studio.contracts.clip import Framing
from studio.contracts.video import Provider
from studio.media.still import PreparedStill, StillRules, prepare_picture, prepare_still

_OWN = StillRules(least=16, most_bytes=60_000_000)
"""Where no provider has a say: ComfyUI takes uploads of 100 MB, the local renderer reads what it is given."""

STILL_RULES: Mapping[Provider, StillRules] = {
    Provider.KLING: StillRules(least=300, aspect=2.5, most_bytes=10_000_000),
    Provider.COMFYUI: _OWN,
    Provider.ANIMATIC: _OWN,
}
"""Kling: JPEG or PNG, at most 10 MB, sides of 300 px or more, 1:2.5 to 2.5:1
(https://app.klingai.com/global/dev/document-api/apiReference/model/imageToVideo, field `image`)."""


def prepared(content: bytes, provider: Provider, framing: Framing | None) -> PreparedStill:
    """A picture as the engine gets it, in the shape of its video.

    Args:
        framing: the shape; none: whatever shape the picture has.

    Raises:
        BadStill: it cannot be used, with the reason and what to do.
    """
    rules = STILL_RULES[provider]
    if framing is None:
        return prepare_picture(content, rules=rules)
    return prepare_still(content, width=framing.width, height=framing.height, fit=framing.fit, rules=rules)
