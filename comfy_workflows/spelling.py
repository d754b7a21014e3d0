"""Model files as a certain server spells them: Windows lists `wan\\high.sft` where Linux lists `wan/high.sft`.

A server compares letter by letter, so a graph that was exported elsewhere would be refused for its slashes alone.
"""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from comfy_workflows.loaders import FOLDERS, folder_of
from comfy_workflows.rewire import Graph, is_link
from comfy_workflows.schema import ObjectInfo, inputs_of, node_of


def plain_path(name: str) -> str:
    """The same for every spelling of a path."""
    return re.sub(r"[\\/]+", "/", name).removeprefix("./")


def as_listed(name: object, choices: Iterable[object]) -> str | None:
    """How a list spells a file whose name has other separators; None: it does not have it, or has it as it is."""
    if not isinstance(name, str) or not re.search(r"[\\/]", name):
        return None
    wanted = plain_path(name)
    found = (one for one in choices if isinstance(one, str) and one != name and plain_path(one) == wanted)
    return next(found, None)


def listed_files(object_info: ObjectInfo, folder: str) -> list[str]:
    """The files of a folder below `models`, as far as the server's loaders list them."""
    found: dict[str, None] = {}
    for (class_type, name), place in FOLDERS.items():
        if place == folder and (node := node_of(object_info, class_type)) is not None:
            spec = inputs_of(node, {}).get(name)
            found |= dict.fromkeys(one for one in (spec.choices if spec else None) or () if isinstance(one, str))
    return list(found)


def respelled(graph: Mapping[str, Any], object_info: ObjectInfo) -> Graph:
    """The graph with every choice and model file as this server spells it; what it does not have stays as it is."""
    made = copy.deepcopy(dict(graph))
    for content in made.values():
        class_type, inputs = content["class_type"], content["inputs"]
        specs = inputs_of(node_of(object_info, class_type) or {}, inputs)
        for key, value in inputs.items():
            spec = specs.get(key)
            if spec is not None and spec.choices is not None:
                inputs[key] = as_listed(value, () if value in spec.choices else spec.choices) or value
            elif not is_link(value):
                inputs[key] = _inside(class_type, key, value, object_info)
    return made


def _inside(class_type: str, key: str, value: Any, object_info: ObjectInfo) -> Any:
    if isinstance(value, dict):
        return {inner: _inside(class_type, f"{key}.{inner}", one, object_info) for inner, one in value.items()}
    if isinstance(value, list):
        return [_inside(class_type, key, one, object_info) for one in value]
    folder = folder_of(class_type, key, value)
    if not folder:
        return value
    listed = listed_files(object_info, folder)
    return value if value in listed else as_listed(value, listed) or value
