"""What ComfyUI says when it cannot do something, as errors that a person can act on.

The useful part of a refused prompt stands in `node_errors`; `error.details` is often empty. A model file that is not
on the server is told as "value not in list" of a loader's input, just as a misspelt word of any other input is.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from studio.errors import (
    ComfyError,
    ExecutionFailed,
    GraphRefused,
    InvalidRequest,
    InvalidValue,
    ModelMissing,
    NodeMissing,
    OutOfMemory,
    ServerFileTrouble,
)
from studio.providers._foreign import LONGEST_TEXT, all_text, ident, leaves_of, quote

MODEL_FOLDERS: Mapping[str, str] = {
    "bg_removal_name": "background_removal",
    "text_encoder": "text_encoders",
    "FrameInterpolationModelLoader.model_name": "frame_interpolation",
    "LoadDA3Model.model_name": "geometry_estimation",
    "LoadMoGeModel.model_name": "geometry_estimation",
    "OpticalFlowLoader.model_name": "optical_flow",
    "audio_encoder_name": "audio_encoders",
    "ckpt_name": "checkpoints",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "control_net_name": "controlnet",
    "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks",
    "lora_name": "loras",
    "photomaker_model_name": "photomaker",
    "style_model_name": "style_models",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
    "CLIPLoader.clip_name": "text_encoders",
    "CLIPVisionLoader.clip_name": "clip_vision",
    "LatentUpscaleModelLoader.model_name": "latent_upscale_models",
    "ModelPatchLoader.name": "model_patches",
    "UpscaleModelLoader.model_name": "upscale_models",
}
"""Which folder under `models` an input names a file of; with the node's class where the input alone does not tell."""

_MODEL_FILE = re.compile(r"\.(safetensors|sft|ckpt|gguf|pth?|bin|onnx)$", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|exceed allowed memory", re.I)
_MEMORY_TYPES = ("OutOfMemoryError", "MemoryError")
_FILE_TYPES = ("OSError", "IOError", "FileNotFoundError", "PermissionError", "BlockingIOError", "InterruptedError")
_DAMAGED = re.compile(
    r"header ?too ?(small|large)|deserializing header|metadata ?incomplete ?buffer|incomplete metadata|invalid ?header"
    r"|invalid load key|pytorchstreamreader|central directory|unexpected (eof|end of)|ran out of input|gguf magic"
    r"|unpack requires a buffer|corrupt(ed)? or invalid|file (is|might be) (corrupt|truncated)|unpicklingerror"
    r"|file size .* smaller than|invalid magic number",
    re.IGNORECASE,
)
"""What safetensors, PyTorch and GGUF say of a file that is empty or half there; none of them names it."""
_NOT_TAKEN = "ComfyUI does not take the graph"
_MISSING_TYPES = ("missing_node_type", "invalid_prompt")  # the second is what 0.3 says

MOST_FILES = 4
"""Model files of one node that are named."""
MOST_COMPLAINTS = 20
"""Complaints about one node that are told."""

Graph = Mapping[str, Any]


def check_shape(graph: Graph, prompt_id: str, client_id: str, extra: Mapping[str, Any]) -> None:
    """Refuse what a server answers with 500, and what stops it for good (a client id that is no string).

    Raises:
        InvalidRequest
    """
    if not isinstance(client_id, str) or not client_id:
        raise InvalidRequest("A ComfyUI client id is a string")
    if not _is_canonical(prompt_id):
        raise InvalidRequest(f"A ComfyUI prompt id is a UUID in lower case with hyphens, not {prompt_id!r}")
    if isinstance(graph.get("nodes"), list):
        raise InvalidRequest("This graph is in the editor's format: export it with File → Export (API)")
    for node, told in graph.items():
        if not isinstance(told, dict) or not isinstance(told.get("inputs"), dict) or not told.get("class_type"):
            raise InvalidRequest(f"node {node} of the graph has no class_type or no inputs")
    png = extra.get("extra_pnginfo", {})
    if not isinstance(png, dict) or not isinstance(png.get("workflow", {}), dict):
        raise InvalidRequest(
            "extra_pnginfo is an object, and so is its workflow: /api/jobs stumbles over anything else"
        )


def _is_canonical(prompt_id: object) -> bool:
    try:
        return isinstance(prompt_id, str) and str(uuid.UUID(prompt_id)) == prompt_id
    except ValueError:
        return False


def node_name(node: str, graph: Graph, node_type: object = None) -> str:
    """A node as a person finds it in the graph: `node 3 "boom" (ComfyMathExpression)`."""
    kind = node_type or _known(node, graph).get("class_type")
    return _titled(node, graph) + (f" ({quote(kind)})" if kind else "")


def _titled(node: str, graph: Graph) -> str:
    title = _object(_known(node, graph).get("_meta")).get("title")
    return f"node {quote(node)}" + (f' "{quote(title)}"' if title else "")


def _known(node: str, graph: Graph) -> dict[str, Any]:
    return _object(graph.get(node))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def execution_error(trouble: Mapping[str, Any], graph: Graph) -> ComfyError:
    """The error of a prompt that failed at work, from its `execution_error` message."""
    kind = quote(trouble.get("exception_type") or "", most=100)
    message = all_text(trouble.get("exception_message"))[:LONGEST_TEXT] or "no reason given"
    words = quote(message)
    where = node_name(ident(trouble.get("node_id")) or "?", graph, trouble.get("node_type"))
    if kind.rpartition(".")[2] in _MEMORY_TYPES or _OUT_OF_MEMORY.search(message):
        return OutOfMemory(f"The ComfyUI server ran out of memory at {where}: {words}")
    said = f"{kind}: {words}" if kind else words
    if _DAMAGED.search(said) and (files := _model_files(trouble, graph)):
        return ModelMissing(
            f"Model file {' or '.join(files)} is damaged or not complete on this ComfyUI server, at {where}: "
            f"download it again ({said})"
        )
    if kind in _FILE_TYPES:
        return ServerFileTrouble(f"The ComfyUI server could not read or write a file at {where}: {said}")
    return ExecutionFailed(f"ComfyUI failed at {where}: {said}")


def _model_files(trouble: Mapping[str, Any], graph: Graph) -> list[str]:
    """The model files that the failed node was to load."""
    node = _known(ident(trouble.get("node_id")) or "", graph)
    told = [*leaves_of(node.get("inputs")), *leaves_of(trouble.get("current_inputs"))]
    names = [quote(leaf[1]) for leaf in told if isinstance(leaf[1], str) and _MODEL_FILE.search(leaf[1])]
    return list(dict.fromkeys(names))[:MOST_FILES]


def refusal(body: Mapping[str, Any], graph: Graph) -> GraphRefused:
    """The error of a prompt that was not taken, or not as a whole, from the answer's `error` and `node_errors`."""
    found: dict[type[GraphRefused], list[str]] = {}
    for kind, sentence in islice(_complaints(body.get("node_errors"), graph), 10 * MOST_COMPLAINTS):
        if sentence not in found.setdefault(kind, []):
            found[kind].append(sentence)
    if ModelMissing in found:
        return ModelMissing("; ".join(found[ModelMissing]))
    for kind in (InvalidValue, GraphRefused):
        if kind in found:
            return kind(f"{_NOT_TAKEN}: {'; '.join(found[kind])}")
    return _whole_refusal(body.get("error"), graph)


def _complaints(nodes: object, graph: Graph) -> Iterator[tuple[type[GraphRefused], str]]:
    for node, told in _object(nodes).items():
        errors = _object(told).get("errors")
        for error in (errors if isinstance(errors, list) else [errors])[:MOST_COMPLAINTS]:
            if isinstance(error, dict):
                yield _complaint(node, told.get("class_type"), error, graph)
            elif error:
                yield InvalidValue, f"{node_name(node, graph, told.get('class_type'))}: {quote(error)}"


def _complaint(node: str, node_type: object, error: Mapping[str, Any], graph: Graph) -> tuple[type[GraphRefused], str]:
    extra = _object(error.get("extra_info"))
    name, value = quote(extra.get("input_name") or "", most=100), extra.get("received_value")
    folder = MODEL_FOLDERS.get(f"{quote(node_type or '')}.{name}") or MODEL_FOLDERS.get(name)
    where = node_name(node, graph, node_type)
    match error.get("type"):
        case "value_not_in_list" if value is not None and folder:
            return ModelMissing, _missing(value, f"in models/{folder}", error)
        case "value_not_in_list" if _MODEL_FILE.search(all_text(value)):
            return ModelMissing, _missing(value, f"where {where} looks for its {name}", error)
        case "dependency_cycle":
            return GraphRefused, _words(error, name)
    return InvalidValue, f"{where}: {_words(error, name)}"


def _missing(value: object, belongs: str, error: Mapping[str, Any]) -> str:
    """A model file that is missing; or one that is there under the same name with other slashes."""
    said = str(ModelMissing.named(quote(value), belongs))
    wanted = _slashes(all_text(value))
    for name in _choices(error):
        if _slashes(name) == wanted:
            return f"{said} - It has the same file as {quote(name)}: write it so in the graph"
    return said


def _choices(error: Mapping[str, Any]) -> Iterator[str]:
    """What an input takes: the server repeats it in the input's description, and a short list in words."""
    config = _object(error.get("extra_info")).get("input_config")
    for leaf in leaves_of(config):
        if isinstance(leaf[1], str):
            yield leaf[1]
    listed = all_text(error.get("details"))[:LONGEST_TEXT].partition(" not in ")[2]
    for one, other in re.findall(r"'([^']*)'|\"([^\"]*)\"", listed):
        yield (one or other).replace("\\\\", "\\")


def _slashes(name: str) -> str:
    return re.sub(r"[\\/]+", "/", name).strip("/").lower()


def _words(error: Mapping[str, Any], name: str) -> str:
    """What is wrong with an input. Where the details only name the input, the message says what is the matter."""
    message, details = all_text(error.get("message")), all_text(error.get("details"))
    if not details or details == name:
        return quote(f"{name}: {message}" if name else message)
    if error.get("type") in ("value_not_in_list", "custom_validation_failed"):
        return quote(details)
    return quote(f"{message}: {details}")


def _whole_refusal(error: object, graph: Graph) -> GraphRefused:
    """What is wrong with the prompt as a whole: a node that is not installed, no output, no graph."""
    told = _object(error)
    extra, details = _object(told.get("extra_info")), all_text(told.get("details"))
    found = re.search(r"Node ID '#(.{1,100}?)'", details[:LONGEST_TEXT])
    node = ident(extra.get("node_id")) or (found[1] if found else "")
    node_type = extra.get("class_type") or _known(node, graph).get("class_type")
    if told.get("type") in _MISSING_TYPES and node and node_type:
        return NodeMissing.named(quote(node_type), _titled(node, graph))
    said = [all_text(told.get("message")), details] if told else [all_text(error)]
    line = quote(": ".join(dict.fromkeys(part for part in said if part)) or "no reason given")
    return GraphRefused(f"{_NOT_TAKEN}: {line}")
