"""What each class of node makes of its inputs, as far as anybody outside can see it."""

import ast
import hashlib
import math
import operator
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from simulators.comfyui.values import Camera, Picture, Seed, Steps, Video, Words
from studio.media.probe import probe

Inputs = dict[str, Any]
Find = Callable[[str], Path]
"""The name of an uploaded file, as it stands in a graph → where it lies."""


def outcome(class_type: str, inputs: Inputs, find: Find, slots: int) -> tuple[Any, ...]:
    """The node's outputs; `None` for what nobody looks at. Raises what the real node raises."""
    if class_type in ("LoadImage", "LoadVideo"):
        return _LOADERS[class_type](inputs, find)
    if class_type in _NODES:
        made = _NODES[class_type](inputs)
        return made if isinstance(made, tuple) else (made,)
    return (None,) * slots


def ticks(class_type: str, inputs: Inputs) -> int:
    """How many steps the node reports; 0: it reports none and hears no interrupt."""
    match class_type:
        case "KSampler":
            return int(inputs["steps"])
        case "KSamplerAdvanced":
            return max(0, int(min(inputs["end_at_step"], inputs["steps"]) - inputs["start_at_step"]))
        case "SamplerCustomAdvanced":
            return int(inputs["sigmas"].count)
        case "ColorTransfer":
            return int(inputs["image_target"].count)
    return 0


def samples(class_type: str) -> bool:
    return class_type in ("KSampler", "KSamplerAdvanced", "SamplerCustomAdvanced")


# ── loading ──────────────────────────────────────────────────────────────


def _load_image(inputs: Inputs, find: Find) -> tuple[Any, ...]:
    path = find(inputs["image"])
    with Image.open(path) as image:
        image.load()
        return Picture(*image.size, source=path, digest=hashlib.sha256(path.read_bytes()).hexdigest()), None


def _load_video(inputs: Inputs, find: Find) -> tuple[Any, ...]:
    path = find(inputs["file"])
    info = probe(path)
    return (Video(Picture(info.width, info.height, info.frames), float(info.fps)),)


_LOADERS = {"LoadImage": _load_image, "LoadVideo": _load_video}

# ── latents and samplers ─────────────────────────────────────────────────


def _still_latent(inputs: Inputs) -> Picture:
    return Picture(inputs["width"], inputs["height"], inputs["batch_size"])


def _clip_latent(inputs: Inputs) -> Picture:
    frames = (inputs["length"] - 1) // 4 * 4 + 1
    pose = inputs["camera_conditions"].pose if isinstance(inputs.get("camera_conditions"), Camera) else None
    start: Picture = inputs.get("start_image") or Picture(0, 0)
    return Picture(inputs["width"], inputs["height"], frames, pose=pose, source=start.source, digest=start.digest)


def _image_to_video(inputs: Inputs) -> tuple[Any, ...]:
    return inputs["positive"], inputs["negative"], _clip_latent(inputs)


def _sampled(inputs: Inputs, seed: int, text: str) -> Picture:
    latent: Picture = inputs["latent_image"]
    return replace(latent, text=text, seed=seed or latent.seed)


def _custom_sampled(inputs: Inputs) -> tuple[Any, ...]:
    made = _sampled(inputs, inputs["noise"].number, inputs["guider"].text)
    return made, made


# ── pictures ─────────────────────────────────────────────────────────────


def _scaled(inputs: Inputs) -> Picture:
    image: Picture = inputs["image"]
    width, height = inputs["width"], inputs["height"]
    if not width and not height:
        return image
    width = width or max(1, round(image.width * height / image.height))
    return replace(image, width=width, height=height or max(1, round(image.height * width / image.width)))


def _scaled_to_pixels(inputs: Inputs) -> Picture:
    image: Picture = inputs["image"]
    scale = math.sqrt(inputs["megapixels"] * 1024 * 1024 / (image.width * image.height))
    return replace(image, width=round(image.width * scale), height=round(image.height * scale))


def _cropped(inputs: Inputs) -> Picture:
    image: Picture = inputs["image"]
    left, top = min(inputs["x"], image.width - 1), min(inputs["y"], image.height - 1)
    return replace(
        image, width=min(inputs["width"], image.width - left), height=min(inputs["height"], image.height - top)
    )


def _batch(inputs: Inputs) -> Picture:
    grown: list[Picture] = [value for name, value in inputs.items() if name.startswith("images.")]
    return replace(grown[0], count=sum(picture.count for picture in grown))


def _part(inputs: Inputs) -> Picture:
    image: Picture = inputs["image"]
    first = inputs["batch_index"] + (image.count if inputs["batch_index"] < 0 else 0)
    first = max(0, min(image.count - 1, first))
    return replace(image, count=min(image.count - first, inputs["length"]))


def _components(inputs: Inputs) -> tuple[Any, ...]:
    video: Video = inputs["video"]
    return video.picture, None, video.fps, 8, None


# ── numbers ──────────────────────────────────────────────────────────────

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
}


def _calculated(inputs: Inputs) -> tuple[Any, ...]:
    names = {name.partition(".")[2]: value for name, value in inputs.items() if name.startswith("values.")}
    result = _value(ast.parse(inputs["expression"].strip(), mode="eval").body, names)
    return float(result), int(result)


def _value(node: ast.AST, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, names))
    raise ValueError(f"Sorry, {type(node).__name__} is not available in this evaluator")


_NODES: dict[str, Callable[[Inputs], Any]] = {
    "EmptyImage": _still_latent,
    "EmptySD3LatentImage": _still_latent,
    "EmptyFlux2LatentImage": _still_latent,
    "EmptyHunyuanLatentVideo": _clip_latent,
    "EmptyHunyuanVideo15Latent": _clip_latent,
    "WanImageToVideo": _image_to_video,
    "WanCameraImageToVideo": _image_to_video,
    "HunyuanVideo15ImageToVideo": _image_to_video,
    "WanCameraEmbedding": lambda i: (Camera(i["camera_pose"]), i["width"], i["height"], i["length"]),
    "CLIPTextEncode": lambda i: Words(i["text"]),
    "ConditioningZeroOut": lambda i: Words(),
    "FluxGuidance": lambda i: i["conditioning"],
    "ReferenceLatent": lambda i: i["conditioning"],
    "BasicGuider": lambda i: i["conditioning"],
    "CFGGuider": lambda i: i["positive"],
    "RandomNoise": lambda i: Seed(i["noise_seed"]),
    "BasicScheduler": lambda i: Steps(i["steps"]),
    "Flux2Scheduler": lambda i: Steps(i["steps"]),
    "KSampler": lambda i: _sampled(i, i["seed"], i["positive"].text),
    "KSamplerAdvanced": lambda i: _sampled(i, i["noise_seed"], i["positive"].text),
    "SamplerCustomAdvanced": _custom_sampled,
    "VAEDecode": lambda i: i["samples"],
    "VAEDecodeTiled": lambda i: i["samples"],
    "VAEEncode": lambda i: i["pixels"],
    "GetImageSize": lambda i: (i["image"].width, i["image"].height, i["image"].count),
    "ImageScale": _scaled,
    "ImageScaleToTotalPixels": _scaled_to_pixels,
    "ImageCrop": _cropped,
    "ImageInvert": lambda i: i["image"],
    "ImageAddNoise": lambda i: replace(i["image"], seed=i["seed"]),
    "RepeatImageBatch": lambda i: replace(i["image"], count=i["image"].count * i["amount"]),
    "BatchImagesNode": _batch,
    "ImageFromBatch": _part,
    "ColorTransfer": lambda i: i["image_target"],
    "TextOverlay": lambda i: replace(i["images"], text=i["text"]),
    "CreateVideo": lambda i: Video(i["images"], i["fps"]),
    "GetVideoComponents": _components,
    "PrimitiveInt": lambda i: i["value"],
    "PrimitiveFloat": lambda i: i["value"],
    "PrimitiveString": lambda i: i["value"],
    "ComfyMathExpression": _calculated,
    "SaveImage": lambda i: i["images"],
    "PreviewImage": lambda i: i["images"],
    "SaveVideo": lambda i: i["video"],
}
