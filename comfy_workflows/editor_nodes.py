"""Nodes that exist in ComfyUI's editor only. Its export leaves them out; graphs made in another way may hold them."""

import re

_EDITOR_ONLY = frozenset(
    {
        "Reroute",
        "Reroute (rgthree)",
        "PrimitiveNode",
        "Note",
        "MarkdownNote",
        "GetNode",
        "SetNode",
        "Label (rgthree)",
        "Bookmark (rgthree)",
        "Node Collector (rgthree)",
        "Node Combiner (rgthree)",
        "Fast Muter (rgthree)",
        "Fast Bypasser (rgthree)",
        "Fast Groups Muter (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Fast Actions Button (rgthree)",
        "Mute / Bypass Repeater (rgthree)",
        "Random Unmuter (rgthree)",
    }
)
_SUBGRAPH = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_GROUP = re.compile(r"workflow[>/]")

NO_CLASS = (
    "has no class: ComfyUI did not know this node when the graph was exported, a custom node is missing there. Install "
    "it (ComfyUI-Manager: Install Missing Custom Nodes), open the workflow again and export it anew"
)
"""Of a node with `class_type: null`, which the front end writes for a node it does not know."""


def editor_only(class_type: str) -> str | None:
    """Why no server has this class; None: a server may have it."""
    if class_type in _EDITOR_ONLY:
        kind = "exists in ComfyUI's editor only"
    elif _SUBGRAPH.fullmatch(class_type):
        kind = "is a subgraph, which exists in ComfyUI's editor only"
    elif _GROUP.match(class_type):
        kind = "is a group node, which exists in ComfyUI's editor only"
    else:
        return None
    return f"{kind}, and no server knows it: Workflow → Export (API) replaces it by what it stands for"
