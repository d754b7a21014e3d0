"""Which graph it is, exactly: what was made with another version of it is another take."""

import hashlib
from functools import cache

from comfy_workflows.graph import GraphTemplate, load_graph


def digest_of_graph(template: GraphTemplate) -> str:
    """SHA-256, hexadecimal, over the graph and its declaration."""
    return hashlib.sha256(template.model_dump_json().encode()).hexdigest()


@cache
def digest_of_shipped(name: str) -> str:
    """That of a shipped graph.

    Raises:
        InvalidRequest: there is none of this name.
    """
    return digest_of_graph(load_graph(name))
