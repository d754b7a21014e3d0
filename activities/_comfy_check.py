"""Would this server take the graph? Said before anything is sent, in words that say what to do."""

from comfy_workflows.check import check_graph, serious
from comfy_workflows.complaints import Complaint, MissingModel, MissingNode
from comfy_workflows.graph import BoundGraph
from studio.errors import GraphRefused, InvalidValue, ModelMissing, NodeMissing
from studio.providers.comfyui import ComfyClient


async def ensure_taken(comfy: ComfyClient, bound: BoundGraph) -> None:
    """Compare a graph with what the server has; what it lacks may have been installed since we last asked.

    Raises:
        GraphRefused: one of its children, by the first complaint; the message has all of them.
    """
    complaints = serious(check_graph(bound.graph, await comfy.object_info()))
    if complaints:
        complaints = serious(check_graph(bound.graph, await comfy.object_info(refresh=True)))
    if complaints:
        raise _refusal(complaints)


def _refusal(complaints: list[Complaint]) -> GraphRefused:
    words = "\n".join(map(_words, complaints))
    first = complaints[0]
    if isinstance(first, MissingModel):
        return ModelMissing(words)
    return NodeMissing(words) if isinstance(first, MissingNode) else InvalidValue(words)


def _words(complaint: Complaint) -> str:
    if isinstance(complaint, MissingModel) and complaint.listed_as is None:
        place = f"in models/{complaint.folder}" if complaint.folder else "where its loader looks"
        return str(ModelMissing.named(complaint.name, place))
    if isinstance(complaint, MissingNode):
        return str(NodeMissing.named(complaint.class_type, complaint.node_name))
    return str(complaint)
