"""Nodes that save files, and what has to be chosen there so that a clip is MP4 with H.264."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from comfy_workflows.declaration import Kind
from studio.errors import InvalidRequest

_H264 = ("auto", "h264")


@dataclass(frozen=True)
class _Saver:
    """A node that saves files we can use."""

    kind: Kind
    takes: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """Input → the choices that are good."""


_SAVERS: Mapping[str, _Saver] = {
    "SaveImage": _Saver("image"),
    "SaveVideo": _Saver("video", {"format": ("auto", "mp4"), "codec": _H264, "format.codec": _H264}),
    "VHS_VideoCombine": _Saver("video", {"format": ("video/h264-mp4", "video/nvenc_h264-mp4"), "save_output": (True,)}),
}
_OTHERS = {
    "SaveAnimatedWEBP": "WebP",
    "SaveAnimatedPNG": "moving PNG",
    "SaveWEBM": "WebM",
    "PreviewImage": "files that are thrown away",
    "PreviewVideo": "files that are thrown away",
}
_INSTEAD = {"image": "SaveImage", "video": "CreateVideo and SaveVideo, format mp4 and codec h264"}


def ensure_saves(kind: Kind, content: Mapping[str, Any], name: str) -> None:
    """Refuse an output whose file could only be thrown away after it was rendered. Unknown nodes are let pass.

    Raises:
        InvalidRequest: the node saves the other kind, or another format than clips and pictures have here.
    """
    class_type = content["class_type"]
    saver = _SAVERS.get(class_type)
    if class_type in _OTHERS:
        raise InvalidRequest(f"{name} saves {_OTHERS[class_type]}, which cannot be used here: take {_INSTEAD[kind]}")
    if saver is None:
        return
    if saver.kind != kind:
        right = "a clip: title it out:video" if saver.kind == "video" else "pictures: title it out:image"
        raise InvalidRequest(f"{name} saves {right}, or take {_INSTEAD[kind]}")
    for key, good in saver.takes.items():
        value = content["inputs"].get(key, good[0])
        if value not in good:
            raise InvalidRequest(f"{name}: {key} is {value!r}; a clip is MP4 with H.264, choose {good[-1]!r}")
