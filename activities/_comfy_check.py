"""Is it the right graph, and would this server take it? Said before anything is sent, in words that say what to do."""

from dataclasses import replace

from comfy_workflows.check import check_graph, serious
from comfy_workflows.complaints import Complaint, MissingModel, MissingNode
from comfy_workflows.editor_nodes import editor_only
from comfy_workflows.graph import BoundGraph
from comfy_workflows.identity import digest_of_shipped
from comfy_workflows.spelling import respelled
from studio.contracts.clip import ClipId
from studio.contracts.rendering import GraphToRender
from studio.errors import GraphRefused, InvalidRequest, InvalidValue, ModelMissing, NodeMissing, ServerUnfit
from studio.providers.comfyui import ComfyClient
from studio.store.takes import TakeStore
from studio.takes import graph_version


async def ensure_as_planned(order: GraphToRender, takes: TakeStore) -> None:
    """While workers are updated, one may have another version of a shipped graph than whoever named the take.

    Raises:
        ServerUnfit: this one has.
    """
    planned = await takes.parts(order.channel, order.take) if isinstance(order.clip, ClipId) else None
    try:
        digest = digest_of_shipped(order.graph)
    except InvalidRequest:
        digest = ""
    fits = order.graph_sha256 in (None, digest)
    if not digest or not fits or (planned is not None and planned.model != graph_version(order.graph, digest)):
        raise ServerUnfit(
            f"This GPU worker has another version of the graph {order.graph} than this was planned with - "
            "Update the worker, or start the video or batch again"
        )


async def ensure_taken(comfy: ComfyClient, bound: BoundGraph) -> BoundGraph:
    """Compare a graph with what the server has; what it lacks may have been installed since we last asked.

    Returns the graph with its model files as this server spells them.

    Raises:
        GraphRefused: one of its children, by the first complaint; the message has all of them.
    """
    complaints = serious(check_graph(bound.graph, await comfy.object_info()))
    if complaints:
        complaints = serious(check_graph(bound.graph, await comfy.object_info(refresh=True)))
    if complaints:
        raise _refusal(complaints)
    return replace(bound, graph=respelled(bound.graph, await comfy.object_info()))


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
    if isinstance(complaint, MissingNode) and editor_only(complaint.class_type) is None:
        return str(NodeMissing.named(complaint.class_type, complaint.node_name))
    return str(complaint)
