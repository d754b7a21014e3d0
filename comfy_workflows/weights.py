"""How long the nodes of a graph take beside each other: what makes one number of a server's progress."""

from collections.abc import Mapping
from typing import Any

_SAMPLED = frozenset({"latent_image", "latent", "samples", "noise", "sigmas", "image_embeds"})
"""What a sampler is given, whatever its class: `KSamplerSelect` only names one."""
_MOST_STEPS = 20
"""Assumed of a sampler that gets its steps from another node."""
_BESIDE = 0.5
"""Everything else, in sampling steps: loading, encoding, saving."""


def weights_of(graph: Mapping[str, Any]) -> dict[str, float]:
    """Node id → weight, in sampling steps."""
    return {node: _steps(content) for node, content in graph.items()}


def samplers_of(graph: Mapping[str, Any]) -> frozenset[str]:
    """The nodes that sample: only when one of them has ticked is anything known of how long a render takes."""
    return frozenset(node for node, content in graph.items() if _samples(content))


def _samples(content: Mapping[str, Any]) -> bool:
    return "sampler" in str(content["class_type"]).lower() and not _SAMPLED.isdisjoint(content["inputs"])


def _steps(content: Mapping[str, Any]) -> float:
    if not _samples(content):
        return _BESIDE
    inputs = content["inputs"]
    steps = _number(inputs.get("steps"), _MOST_STEPS)
    first, last = _number(inputs.get("start_at_step"), 0), _number(inputs.get("end_at_step"), steps)
    return max(min(last, steps) - first, _BESIDE)


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default
