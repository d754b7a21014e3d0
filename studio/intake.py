"""What a video has to pass before anything is spent on it: the same rules for the command line and the worker."""

from collections.abc import Iterator

from comfy_workflows.declaration import GraphType
from comfy_workflows.graph import GraphTemplate, load_graph
from studio.contracts.clip import PROMPT_LIMIT
from studio.contracts.size import too_large
from studio.contracts.video import Provider, VideoRequest
from studio.errors import InvalidRequest
from studio.objects.keys import GRAPHS, lies_in_channel
from studio.prompts import motion
from studio.providers.kie_models import kling_model
from studio.renders import unable


def complaints(request: VideoRequest, own: GraphTemplate | None = None) -> Iterator[str]:
    """What is wrong with the words of a request, each with the field's path: `clips.3.prompt: …`.

    `own`: the graph that `request.graph` refers to. Without it nothing is said of what a user's own graph can do.
    """
    if size := too_large(request):
        yield size
    limit = PROMPT_LIMIT
    if request.provider is Provider.KLING:
        try:
            limit = min(limit, kling_model(request.model).prompt_limit)
        except InvalidRequest as error:
            yield f"model: {error}"
    if request.provider is Provider.COMFYUI:
        yield from _about_graph(request, own)
    elif request.prompt_prefix:
        yield f"prompt_prefix: only a video with provider comfyui has it, this one's is {request.provider}"
    for place, clip in enumerate(request.clips):
        try:
            motion.check(clip.prompt, limit=limit)
        except InvalidRequest as error:
            yield f"clips.{place}.prompt: {error}"
        if not lies_in_channel(request.channel, clip.still.key):
            yield f"clips.{place}.still.key: {clip.still.key} lies outside channel {request.channel}"


def _about_graph(request: VideoRequest, own: GraphTemplate | None) -> Iterator[str]:
    """What is wrong with the graph a video names, or with what is asked of it."""
    if request.graph is not None and not request.graph.key.startswith(GRAPHS):
        yield f"graph.key: {request.graph.key} is no graph that was added with `comfy add`"
        return
    try:
        template = own if request.graph else load_graph(request.model)
    except InvalidRequest as error:
        yield f"model: {error}"
        return
    if template is None:
        return
    made = template.declaration.type
    if made is not GraphType.IMAGE_TO_VIDEO:
        yield f"model: {request.model} makes {made}; a video's clips are made of stills"
    else:
        yield from unable(request, template)
