"""What a clip is made from, and the digest that names its take."""

from studio.contracts.clip import ClipRequest
from studio.contracts.film import Provider, VideoRequest
from studio.contracts.take import TakeParts
from studio.digest import digest_of
from studio.media.animatic import RENDERER_VERSION
from studio.prompts import motion
from studio.prompts.camera import move_of

TAKE_FORMAT = "take-2"
"""Changes when the meaning of a take's parts changes; every older take is then made anew."""


def parts_of(film: VideoRequest, clip: ClipRequest) -> TakeParts:
    """Everything this clip is made from."""
    return TakeParts(
        provider=film.provider,
        model=RENDERER_VERSION if film.provider is Provider.ANIMATIC else film.model,
        prompt=motion.render(clip.prompt),
        still=clip.still,
        seconds=clip.seconds,
        width=film.width,
        height=film.height,
        camera=clip.camera or move_of(clip.prompt),
        strength=clip.strength,
        variant=clip.variant,
    )


def digest_of_take(parts: TakeParts) -> str:
    """The name of the take these parts give: SHA-256 over what its maker is told, and the still by its bytes.

    What a maker is not told does not count: the local renderer reads no prompt, Kling no camera move.
    """
    told: dict[str, str | int | float | bool | None] = {
        "provider": parts.provider,
        "model": parts.model,
        "still": parts.still.sha256,
        "seconds": parts.seconds,
        "width": parts.width,
        "height": parts.height,
    }
    if parts.provider is Provider.ANIMATIC:
        told |= {"camera": parts.camera, "strength": parts.strength}
    else:
        told |= {"prompt": parts.prompt}
    if parts.variant > 1:
        told |= {"variant": parts.variant}
    return digest_of(TAKE_FORMAT, told)


def takes_of(film: VideoRequest) -> list[tuple[str, TakeParts | None]]:
    """The take of each clip, in the film's order, and what it is made from.

    A take that somebody chose stands as it is, whatever the clip says: then there are no parts.
    """
    return [_take_of(film, clip) for clip in film.clips]


def _take_of(film: VideoRequest, clip: ClipRequest) -> tuple[str, TakeParts | None]:
    if clip.take is not None:
        return clip.take, None
    parts = parts_of(film, clip)
    return digest_of_take(parts), parts
