"""Nodes that load model files, and the folder below the server's `models` each reads."""

from collections.abc import Mapping
from typing import Any

from comfy_workflows.declaration import ModelFile

FOLDERS: Mapping[tuple[str, str], str] = {
    ("CheckpointLoaderSimple", "ckpt_name"): "checkpoints",
    ("ImageOnlyCheckpointLoader", "ckpt_name"): "checkpoints",
    ("UNETLoader", "unet_name"): "diffusion_models",
    ("UnetLoaderGGUF", "unet_name"): "diffusion_models",
    ("CLIPLoader", "clip_name"): "text_encoders",
    ("CLIPLoaderGGUF", "clip_name"): "text_encoders",
    ("DualCLIPLoader", "clip_name1"): "text_encoders",
    ("DualCLIPLoader", "clip_name2"): "text_encoders",
    ("TripleCLIPLoader", "clip_name1"): "text_encoders",
    ("TripleCLIPLoader", "clip_name2"): "text_encoders",
    ("TripleCLIPLoader", "clip_name3"): "text_encoders",
    ("VAELoader", "vae_name"): "vae",
    ("LoraLoader", "lora_name"): "loras",
    ("LoraLoaderModelOnly", "lora_name"): "loras",
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("ControlNetLoader", "control_net_name"): "controlnet",
    ("StyleModelLoader", "style_model_name"): "style_models",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("AudioEncoderLoader", "audio_encoder_name"): "audio_encoders",
    ("ModelPatchLoader", "name"): "model_patches",
}
NO_FILES = ("pixel_space", "taesd", "taesdxl", "taesd3", "taef1")
"""What the list of VAEs holds besides files."""
ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pth", ".pt", ".bin", ".onnx")


def folder_of(class_type: str, input_name: str, value: object) -> str | None:
    """The folder of the model file this input names; empty: an unknown loader; None: no model file."""
    if not isinstance(value, str):
        return None
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
