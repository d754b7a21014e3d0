"""A video's clip as an order for a ComfyUI graph, and whether the graph can do what the video asks for."""

from collections.abc import Iterator

from comfy_workflows.declaration import ParameterName
from comfy_workflows.graph import TRIAL_IMAGE, GraphTemplate
from comfy_workflows.values import out_of_range
from studio.contracts.clip import CameraMove, ClipRequest, Framing
from studio.contracts.render import GraphParameters
from studio.contracts.rendering import ClipToRender, GraphToRender
from studio.contracts.video import VideoRequest
from studio.errors import InvalidRequest
from studio.prompts import motion
from studio.prompts.camera import move_of, with_camera
from studio.prompts.style import with_style

_NO_TAKE = "0" * 64
_FIELDS = {ParameterName.WIDTH: "width", ParameterName.HEIGHT: "height"}


def order_of_clip(clip: ClipToRender) -> GraphToRender:
    """What the graph is told. The seed follows from the take: same inputs, same noise; a further take, other noise."""
    move = clip.camera or move_of(clip.prompt)  # not of the style's words: "panoramic" is no pan
    return GraphToRender(
        channel=clip.clip.channel,
        take=clip.take,
        graph=clip.graph,
        own=clip.own,
        parameters=GraphParameters(
            prompt=with_style(motion.render(clip.prompt), clip.prompt_prefix),
            width=clip.width,
            height=clip.height,
            seconds=clip.seconds,
            seed=int(clip.take[:13], 16),
            camera=move,
            strength=clip.strength,
            images=(clip.still,),
            loras=clip.loras,
            fast=clip.fast,
        ),
        clip=clip.clip,
        moving=move is not CameraMove.STATIC,
        framing=Framing(width=clip.width, height=clip.height, fit=clip.fit),
    )


def unable(video: VideoRequest, template: GraphTemplate) -> Iterator[str]:
    """What the graph cannot do for this video, each with the field's path: `width: …`, `clips.2.seconds: …`."""
    told: set[str] = set()
    lengths = {clip.seconds: clip for clip in reversed(video.clips)}
    for clip in sorted(lengths.values(), key=lambda clip: clip.number):
        for words in _about_clip(video, clip, template):
            if words not in told:
                told.add(words)
                yield words


def _about_clip(video: VideoRequest, clip: ClipRequest, template: GraphTemplate) -> Iterator[str]:
    asked = order_of_clip(ClipToRender.of(video, clip, _NO_TAKE)).parameters
    # Everything apart, so that each complaint has its path and none hides another one.
    plain = asked.model_copy(update={"width": None, "height": None, "seconds": None, "loras": ()})
    if words := _refused(template, plain):
        yield f"model: {words}"
        return
    if words := _refused(template, plain.model_copy(update={"loras": asked.loras})):
        yield f"loras: {words}"
    try:
        for name, reason in out_of_range(template.declaration, asked).items():
            yield f"{_FIELDS.get(name, f'clips.{clip.number - 1}.seconds')}: {reason}"
    except InvalidRequest as error:
        yield f"model: {error}"


def _refused(template: GraphTemplate, parameters: GraphParameters) -> str:
    try:
        template.bind(parameters, images=[TRIAL_IMAGE] * len(parameters.images), prefix="trial")
    except InvalidRequest as error:
        return str(error)
    return ""


def said(parameters: GraphParameters, template: GraphTemplate) -> GraphParameters:
    """The camera's movement in the prompt, where the graph has no number for it and the prompt does not say it yet."""
    move = parameters.camera
    if move is None or not template.camera_in_words(move) or _says(parameters.prompt, move):
        return parameters
    return parameters.model_copy(update={"prompt": with_camera(parameters.prompt, move, parameters.strength)})


def _says(prompt: str, move: CameraMove) -> bool:
    # Whatever the default is, a prompt that says nothing is found out by asking with two.
    return move_of(prompt, default=CameraMove.STATIC) is move and move_of(prompt, default=CameraMove.PAN_LEFT) is move
