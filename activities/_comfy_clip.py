"""A film's clip as an order for a ComfyUI graph."""

from comfy_workflows.graph import GraphTemplate
from studio.contracts.clip import CameraMove
from studio.contracts.render import GraphParameters
from studio.contracts.rendering import ClipToRender, GraphToRender
from studio.prompts import motion
from studio.prompts.camera import move_of, with_camera


def order_of_clip(clip: ClipToRender) -> GraphToRender:
    """What the graph is told. The seed follows from the take: same inputs, same noise; a further take, other noise."""
    move = clip.camera or move_of(clip.prompt)
    return GraphToRender(
        channel=clip.clip.channel,
        take=clip.take,
        graph=clip.graph,
        own=clip.own,
        parameters=GraphParameters(
            prompt=motion.render(clip.prompt),
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
    )


def said(parameters: GraphParameters, template: GraphTemplate) -> GraphParameters:
    """The camera's movement in the prompt, where the graph has no number for it and the prompt does not say it yet."""
    move = parameters.camera
    if move is None or not template.camera_in_words(move) or _says(parameters.prompt, move):
        return parameters
    return parameters.model_copy(update={"prompt": with_camera(parameters.prompt, move, parameters.strength)})


def _says(prompt: str, move: CameraMove) -> bool:
    # Whatever the default is, a prompt that says nothing is found out by asking with two.
    return move_of(prompt, default=CameraMove.STATIC) is move and move_of(prompt, default=CameraMove.PAN_LEFT) is move
