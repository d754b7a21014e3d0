"""The node classes a server has, and the model files it offers: what `/object_info` tells."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.comfyui.config import ComfyConfig

MODEL_INPUTS = {
    ("UNETLoader", "unet_name"): "diffusion_models",
    ("CLIPLoader", "clip_name"): "text_encoders",
    ("DualCLIPLoader", "clip_name1"): "text_encoders",
    ("DualCLIPLoader", "clip_name2"): "text_encoders",
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("VAELoader", "vae_name"): "vae",
    ("LoraLoaderModelOnly", "lora_name"): "loras",
}
"""Class and input → the folder whose files it lists."""

BUILT_IN = frozenset({"pixel_space"})
"""Offered as a VAE without being a file."""

NEWER = frozenset(
    {
        "BatchImagesNode",
        "ColorTransfer",
        "ComfyMathExpression",
        "EmptyFlux2LatentImage",
        "EmptyHunyuanVideo15Latent",
        "Flux2Scheduler",
        "HunyuanVideo15ImageToVideo",
        "TextOverlay",
    }
)
"""Classes a server of the old generation lacks."""

NEWER_TYPES = frozenset({"flux2", "hunyuan_video_15"})
"""Text encoder types it lacks."""

Listing = Callable[[tuple[str, ...]], list[str]]
"""Suffixes → the files in the input folder."""


class NodeSchema:
    """Read anew for each question: models and uploads change while a server runs."""

    def __init__(self, config: ComfyConfig, inputs: Listing) -> None:
        self._config = config
        self._inputs = inputs
        self._shipped: dict[str, Any] = json.loads((Path(__file__).parent / "object_info.json").read_text())
        if config.generation == "old":
            _make_old(self._shipped)

    def classes(self) -> dict[str, Any]:
        return {name: self.node(name) for name in self._names()}

    def has(self, name: str) -> bool:
        return name in self._shipped and name not in self._config.missing_nodes

    def node(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = copy.deepcopy(self._shipped[name])
        required = told["input"].get("required", {})
        for input_name, spec in required.items():
            if folder := MODEL_INPUTS.get((name, input_name)):
                spec[0] = self.models(folder, spec[0])
        if name == "LoadImage":
            required["image"][0] = self._inputs((".png", ".jpg", ".jpeg", ".webp"))
        if name == "LoadVideo":
            required["file"][1]["options"] = self._inputs((".mp4", ".webm", ".mkv"))
        return told

    def outputs(self, name: str) -> list[str]:
        types: list[str] = self._shipped[name]["output"]
        return types

    def saves(self, name: str) -> bool:
        return bool(self._shipped[name]["output_node"])

    def folders(self) -> list[str]:
        return sorted(set(MODEL_INPUTS.values()))

    def folder(self, folder: str) -> list[str]:
        """The files in a model folder."""
        shipped: set[str] = set()
        for (name, input_name), place in MODEL_INPUTS.items():
            if place == folder:
                shipped |= set(self._shipped[name]["input"]["required"][input_name][0])
        return [name for name in self.models(folder, sorted(shipped)) if name not in BUILT_IN]

    def models(self, folder: str, shipped: list[str]) -> list[str]:
        config = self._config
        if config.models == "all":
            found = list(shipped)
        else:
            wanted = () if config.models == "none" else config.models
            plain = {name.removeprefix(f"{folder}/") for name in wanted if "/" not in name.removeprefix(f"{folder}/")}
            known = [name for name in shipped if name in plain or name in BUILT_IN]
            added = [name for name in wanted if name.startswith(f"{folder}/")]
            found = known + sorted({name.removeprefix(f"{folder}/") for name in added} - set(known))
        return [name for name in found if name not in config.missing_models]

    def _names(self) -> list[str]:
        return [name for name in self._shipped if self.has(name)]


def _make_old(classes: dict[str, Any]) -> None:
    for name in NEWER:
        del classes[name]
    for name in ("CLIPLoader", "DualCLIPLoader"):
        kind = classes[name]["input"]["required"]["type"]
        kind[0] = [option for option in kind[0] if option not in NEWER_TYPES]
    del classes["ImageScaleToTotalPixels"]["input"]["required"]["resolution_steps"]
    save = classes["SaveVideo"]["input"]
    for name, options in (("format", ["auto", "mp4"]), ("codec", ["auto", "h264"])):
        save["required"][name] = ["COMBO", {"default": "auto", "multiselect": False, "options": options}]
    del save["optional"]
