"""Nodes that change a picture's size or a clip's frames behind the place where these are set.

Every file is compared with the size and the length that were set, so such a result would be refused after it was
rendered. Only nodes known here are found out.
"""

from collections.abc import Iterable, Mapping

from comfy_workflows.check import name_of
from comfy_workflows.declaration import Parameter, ParameterName
from comfy_workflows.rewire import Graph, cut_loose_ends
from studio.errors import InvalidRequest

_SIZE = (ParameterName.WIDTH, ParameterName.HEIGHT)
_LENGTH = (ParameterName.LENGTH,)
_CHANGERS: Mapping[str, tuple[ParameterName, ...]] = {
    "ImageUpscaleWithModel": _SIZE,
    "ImageScaleBy": _SIZE,
    "ImageScaleToTotalPixels": _SIZE,
    "LatentUpscaleBy": _SIZE,
    "UltimateSDUpscale": _SIZE,
    "UltimateSDUpscaleNoUpscale": _SIZE,
    "SeedVR2VideoUpscaler": _SIZE,
    "RIFE VFI": _LENGTH,
    "FILM VFI": _LENGTH,
    "GMFSS Fortuna VFI": _LENGTH,
    "STMFNet VFI": _LENGTH,
}


def ensure_kept(graph: Graph, parameters: Iterable[Parameter]) -> None:
    """Refuse a size or a length that is set before a node that changes it, and not set again behind it.

    Raises:
        InvalidRequest: it names the node and says what to do.
    """
    before = {node: cut_loose_ends(graph, node).keys() - {node} for node in graph}
    for parameter in parameters:
        marked = {place.node for place in parameter.places}
        for node, content in graph.items():
            if parameter.name not in _CHANGERS.get(content["class_type"], ()) or not marked & before[node]:
                continue
            if not any(node in before[one] for one in marked):
                raise InvalidRequest(_words(parameter.name, name_of(node, content)))


def _words(name: ParameterName, changer: str) -> str:
    if name in _LENGTH:
        return (
            f"{changer} adds frames behind in:length, so no clip would have the length it was ordered in: leave it out"
        )
    return (
        f"{changer} changes the size behind in:{name}, so no result would have the size it was ordered in: "
        "take in:width and in:height away, and every result has the size the graph gives it"
    )
