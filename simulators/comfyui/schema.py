"""The node classes a server has, and the model files it offers: what `/object_info` tells."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.comfyui.config import ComfyConfig
from simulators.comfyui.versions import MISSING_NODES_BY_NAME, NESTED_CODEC, NODES, RESOLUTION_STEPS, TEXT_ENCODERS

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

Listing = Callable[[tuple[str, ...]], list[str]]
"""Suffixes → the files in the input folder."""


class NodeSchema:
    """Read anew for each question: models and uploads change while a server runs."""

    def __init__(self, config: ComfyConfig, uploads: Listing) -> None:
        self._config = config
        self._uploads = uploads
        self._shipped: dict[str, Any] = json.loads((Path(__file__).parent / "object_info.json").read_text())
        _make_older(self._shipped, config)

    def classes(self) -> dict[str, Any]:
        return {name: self.node(name) for name in self._names()}

    @property
    def names_missing_nodes(self) -> bool:
        """Does a refusal tell a class that is not installed as such?"""
        return self._config.has(MISSING_NODES_BY_NAME)

    def has(self, name: str) -> bool:
        return name in self._shipped and name not in self._config.missing_nodes

    def node(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = copy.deepcopy(self._shipped[name])
        required = told["input"].get("required", {})
        for input_name, spec in required.items():
            if folder := MODEL_INPUTS.get((name, input_name)):
                spec[0] = self.models(folder, spec[0])
        if name == "LoadImage":
            required["image"][0] = self._uploads((".png", ".jpg", ".jpeg", ".webp"))
        if name == "LoadVideo":
            required["file"][1]["options"] = self._uploads((".mp4", ".webm", ".mkv"))
        return told

    def inputs(self, name: str) -> dict[str, dict[str, Any]]:
        """As declared: `required` and `optional`, name → spec."""
        told: dict[str, dict[str, Any]] = self.node(name)["input"]
        return {kind: told.get(kind, {}) for kind in ("required", "optional")}

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


def _make_older(classes: dict[str, Any], config: ComfyConfig) -> None:
    """Take away what came later than this server's version."""
    for name in [name for name, first in NODES.items() if not config.has(first)]:
        del classes[name]
    for name in ("CLIPLoader", "DualCLIPLoader"):
        kind = classes[name]["input"]["required"]["type"]
        kind[0] = [option for option in kind[0] if config.has(TEXT_ENCODERS.get(option, ()))]
    if not config.has(RESOLUTION_STEPS):
        del classes["ImageScaleToTotalPixels"]["input"]["required"]["resolution_steps"]
    if not config.has(NESTED_CODEC):
        save = classes["SaveVideo"]["input"]
        for name, options in (("format", ["auto", "mp4"]), ("codec", ["auto", "h264"])):
            save["required"][name] = ["COMBO", {"default": "auto", "multiselect": False, "options": options}]
        del save["optional"]
