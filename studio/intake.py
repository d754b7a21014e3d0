"""What a film has to pass before anything is spent on it: the same rules for the command line and the worker."""

from collections.abc import Iterator

from comfy_workflows.declaration import GraphType
from comfy_workflows.graph import load_graph
from studio.contracts.clip import PROMPT_LIMIT
from studio.contracts.film import Provider, VideoRequest
from studio.errors import BadStill, InvalidRequest
from studio.media.picture import probe_picture
from studio.objects.keys import channel_prefix
from studio.prompts import motion
from studio.providers.kie_models import kling_model

STILL_BYTES = 10_000_000
"""Largest still KIE.ai takes."""
ASPECT_TOLERANCE = 0.02
"""How far a still's aspect may be from the film's: Kling's picture has the still's shape."""


def complaints(request: VideoRequest) -> Iterator[str]:
    """What is wrong with the words of a request, each with the field's path: `clips.3.prompt: …`."""
    limit = PROMPT_LIMIT
    if request.provider is Provider.KLING:
        try:
            limit = min(limit, kling_model(request.model).prompt_limit)
        except InvalidRequest as error:
            yield f"model: {error}"
    if request.provider is Provider.COMFYUI and (words := _graph_complaint(request)):
        yield f"model: {words}"
    for place, clip in enumerate(request.clips):
        try:
            motion.check(clip.prompt, limit=limit)
        except InvalidRequest as error:
            yield f"clips.{place}.prompt: {error}"
        if not clip.still.key.startswith(channel_prefix(request.channel)):
            yield f"clips.{place}.still.key: {clip.still.key} lies outside channel {request.channel}"


def _graph_complaint(request: VideoRequest) -> str:
    """What is wrong with the graph a film names. A user's own was looked at when it was added."""
    if request.graph is not None:
        return ""
    try:
        made = load_graph(request.model).declaration.type
    except InvalidRequest as error:
        return str(error)
    if made is not GraphType.IMAGE_TO_VIDEO:
        return f"{request.model} makes {made}; a film's clips are made of stills"
    return ""


def check_still(content: bytes, *, width: int, height: int) -> str:
    """The media type of a still that Kling takes for a film of `width` x `height`.

    Raises:
        BadStill: no PNG or JPEG, too large, or another shape than the film.
    """
    picture = probe_picture(content)
    if len(content) > STILL_BYTES:
        raise BadStill(f"{len(content):,} bytes; Kling takes at most {STILL_BYTES:,}")
    shape, wanted = picture.width / picture.height, width / height
    if abs(shape / wanted - 1) > ASPECT_TOLERANCE:
        raise BadStill(f"{picture.width}x{picture.height} has another shape than the film, {width}x{height}")
    return picture.mime
