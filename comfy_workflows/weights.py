"""How long the nodes of a graph take beside each other: what makes one number of a server's progress."""

from collections.abc import Mapping
from typing import Any

_SAMPLERS = ("KSampler", "SamplerCustom")
_MOST_STEPS = 20
"""Assumed of a sampler that gets its steps from another node."""
_BESIDE = 0.5
"""Everything else, in sampling steps: loading, encoding, saving."""


def weights_of(graph: Mapping[str, Any]) -> dict[str, float]:
    """Node id → weight, in sampling steps."""
    return {node: _steps(content) for node, content in graph.items()}


def _steps(content: Mapping[str, Any]) -> float:
    if not str(content["class_type"]).startswith(_SAMPLERS):
        return _BESIDE
    inputs = content["inputs"]
    steps = _number(inputs.get("steps"), _MOST_STEPS)
    first, last = _number(inputs.get("start_at_step"), 0), _number(inputs.get("end_at_step"), steps)
    return max(min(last, steps) - first, _BESIDE)


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default
