"""Sizes and lengths that nodes of ComfyUI itself take: what counts for a graph that is read without a server.

Nodes round what lies between their steps down and do not say so, so a clip would be shorter than it was ordered.
"""

from typing import Any

from comfy_workflows.schema import ObjectInfo

_LARGEST = 16_384


def _node(side: int, length: int | None = None, *, least: int = 16, shortest: int = 1) -> dict[str, Any]:
    """A node's schema: the steps of its sides, the step of its length in frames, the least of both."""
    inputs: dict[str, Any] = {
        name: ["INT", {"min": least, "max": _LARGEST, "step": side}] for name in ("width", "height")
    }
    if length is not None:
        inputs["length"] = ["INT", {"min": shortest, "max": _LARGEST, "step": length}]
    return {"input": {"required": inputs}}


KNOWN: ObjectInfo = {
    "EmptyLatentImage": _node(8),
    "EmptySD3LatentImage": _node(16),
    "EmptyFlux2LatentImage": _node(16),
    "EmptyHunyuanLatentVideo": _node(16, 4),
    "EmptyHunyuanVideo15Latent": _node(16, 4),
    "EmptyCosmosLatentVideo": _node(16, 8),
    "EmptyMochiLatentVideo": _node(16, 6, shortest=7),
    "EmptyLTXVLatentVideo": _node(32, 8, least=64),
    "LTXVImgToVideo": _node(32, 8, least=64, shortest=9),
    "HunyuanImageToVideo": _node(16, 4),
    "HunyuanVideo15ImageToVideo": _node(16, 4),
    "Wan22ImageToVideoLatent": _node(32, 4, least=32),
    "WanImageToVideo": _node(16, 4),
    "WanCameraImageToVideo": _node(16, 4),
    "WanFirstLastFrameToVideo": _node(16, 4),
    "WanFunControlToVideo": _node(16, 4),
    "WanFunInpaintToVideo": _node(16, 4),
    "Wan22FunControlToVideo": _node(16, 4),
    "WanVaceToVideo": _node(16, 4),
}
