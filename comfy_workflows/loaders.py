"""Nodes that load model files, and the folder below the server's `models` each reads."""

from collections.abc import Mapping
from typing import Any

from comfy_workflows.declaration import ModelFile

_TEXT_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "CLIPLoader": ("clip_name",),
    "DualCLIPLoader": ("clip_name1", "clip_name2"),
    "TripleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3"),
    "QuadrupleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3", "clip_name4"),
}
"""There is a second class of each for quantised files, called …GGUF."""

FOLDERS: Mapping[tuple[str, str], str] = {
    ("CheckpointLoaderSimple", "ckpt_name"): "checkpoints",
    ("CheckpointLoader", "ckpt_name"): "checkpoints",
    ("CheckpointLoader", "config_name"): "configs",
    ("unCLIPCheckpointLoader", "ckpt_name"): "checkpoints",
    ("ImageOnlyCheckpointLoader", "ckpt_name"): "checkpoints",
    ("UNETLoader", "unet_name"): "diffusion_models",
    ("UnetLoaderGGUF", "unet_name"): "diffusion_models",
    ("UnetLoaderGGUFAdvanced", "unet_name"): "diffusion_models",
    **{
        (f"{loader}{kind}", name): "text_encoders"
        for loader, names in _TEXT_ENCODERS.items()
        for name in names
        for kind in ("", "GGUF")
    },
    ("VAELoader", "vae_name"): "vae",
    ("LoraLoader", "lora_name"): "loras",
    ("LoraLoaderModelOnly", "lora_name"): "loras",
    ("LoraLoaderBypass", "lora_name"): "loras",
    ("LoraLoaderBypassModelOnly", "lora_name"): "loras",
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("ControlNetLoader", "control_net_name"): "controlnet",
    ("DiffControlNetLoader", "control_net_name"): "controlnet",
    ("GLIGENLoader", "gligen_name"): "gligen",
    ("HypernetworkLoader", "hypernetwork_name"): "hypernetworks",
    ("StyleModelLoader", "style_model_name"): "style_models",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("AudioEncoderLoader", "audio_encoder_name"): "audio_encoders",
    ("ModelPatchLoader", "name"): "model_patches",
}
NO_FILES = ("pixel_space", "taesd", "taesdxl", "taesd3", "taef1", "taef2")
"""What the list of VAEs holds besides files."""
SMALL_VAES = ("taehv", "lighttae", "taeltx", "taeh3")
"""Begin the names of the small VAEs of clips: in the same list, but from the folder vae_approx."""
ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pth", ".pt", ".bin", ".onnx")


def folder_of(class_type: str, input_name: str, value: object) -> str | None:
    """The folder of the model file this input names; empty: an unknown loader; None: no model file."""
    if not isinstance(value, str):
        return None
    if class_type == "VAELoader" and value.startswith(SMALL_VAES):
        return "vae_approx"
    if (class_type, input_name) in FOLDERS:
        return FOLDERS[class_type, input_name] if value not in NO_FILES else None
    return "" if value.lower().endswith(ENDINGS) else None


def model_files(graph: Mapping[str, Mapping[str, Any]]) -> tuple[ModelFile, ...]:
    """Every model file a graph loads, in the order of its nodes."""
    return tuple(
        ModelFile(folder=folder, name=value, node=node)
        for node, content in graph.items()
        for name, value in content["inputs"].items()
        if (folder := folder_of(content["class_type"], name, value)) is not None
    )
