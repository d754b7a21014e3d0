"""Nodes that load model files, and the folder below the server's `models` each reads."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

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
    ("LTXAVTextEncoderLoader", "text_encoder"): "text_encoders",
    ("LTXAVTextEncoderLoader", "ckpt_name"): "checkpoints",
    ("LTXVAudioVAELoader", "ckpt_name"): "checkpoints",
    ("LoadMoGeModel", "model_name"): "geometry_estimation",
    ("LoadDA3Model", "model_name"): "geometry_estimation",
    ("LoadBackgroundRemovalModel", "bg_removal_name"): "background_removal",
    ("OpticalFlowLoader", "model_name"): "optical_flow",
    ("FrameInterpolationModelLoader", "model_name"): "frame_interpolation",
    ("LoadLoraModel", "lora_name"): "loras",
    ("LoadLoraTextEncoder", "lora_name"): "loras",
}
NO_FILES = ("pixel_space", "taesd", "taesdxl", "taesd3", "taef1", "taef2")
"""What the list of VAEs holds besides files."""
SMALL_VAES = ("taehv", "lighttae", "taeltx", "taeh3")
"""Begin the names of the small VAEs of clips: in the same list, but from the folder vae_approx."""
ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pth", ".pt", ".bin", ".onnx")


LORAS = "loras"
SWITCHES = ("on", "enabled", "active", "use")
"""What switches one row of a stack off, when it is false."""


class NamedFile(NamedTuple):
    """A model file that an input of a node names, also one inside of objects and lists."""

    key: str
    """The input, and the way inside of it: `lora_1.lora`."""
    name: str
    folder: str
    """Below the server's `models`; empty: not known."""


def folder_of(class_type: str, input_name: str, value: object) -> str | None:
    """The folder of the model file this input names; empty: an unknown loader; None: no model file."""
    if not isinstance(value, str):
        return None
    if class_type == "VAELoader" and value.startswith(SMALL_VAES):
        return "vae_approx"
    last = input_name.rpartition(".")[2]
    if (class_type, last) in FOLDERS:
        return FOLDERS[class_type, last] if value not in NO_FILES else None
    if not value.lower().endswith(ENDINGS):
        return None
    return LORAS if "lora" in input_name.lower() else ""


def files_named(class_type: str, inputs: Mapping[str, Any]) -> Iterator[NamedFile]:
    """Every model file a node's inputs name. Rows of a stack that are switched off name none."""
    for key, value in inputs.items():
        if not any(inputs.get(f"{key.rpartition('.')[0]}.{switch}") is False for switch in SWITCHES):
            yield from _named(class_type, key, value)


def _named(class_type: str, key: str, value: object) -> Iterator[NamedFile]:
    if isinstance(value, Mapping):
        if not any(value.get(switch) is False for switch in SWITCHES):
            for inner, one in value.items():
                yield from _named(class_type, f"{key}.{inner}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _named(class_type, f"{key}.{number}", one)
    elif (folder := folder_of(class_type, key, value)) is not None:
        yield NamedFile(key, str(value), folder)


def model_files(graph: Mapping[str, Mapping[str, Any]]) -> tuple[ModelFile, ...]:
    """Every model file a graph loads, in the order of its nodes."""
    return tuple(
        ModelFile(folder=file.folder, name=file.name, node=node)
        for node, content in graph.items()
        for file in files_named(content["class_type"], content["inputs"])
    )
