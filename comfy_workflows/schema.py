"""A server's node schema (`/object_info`): which inputs a node has, of which type, in which range.

Two spellings are in use: `[["a", "b"], {…}]` and `["COMBO", {"options": ["a", "b"]}]` for a choice. Newer nodes have
inputs that depend on a value (`COMFY_DYNAMICCOMBO_V3`: `format` brings `format.codec`), inputs that grow, and rows of
inputs (`COMFY_DYNAMICGROUP_V3`: `loras.0.lora_name`). VHS_VideoCombine lists under `formats` what its format adds. Of
an input in any other spelling nothing is known: one odd custom node must not stand in every graph's way.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ObjectInfo = Mapping[str, Any]
"""The answer to GET /object_info: class → inputs and outputs."""

ANYTHING = ("*", "COMFY_MATCHTYPE_V3")
CHOICE, CHOICE_WITH_INPUTS, ROWS = "COMBO", "COMFY_DYNAMICCOMBO_V3", "COMFY_DYNAMICGROUP_V3"
TAKES_EVERYTHING = frozenset({"CustomCombo"})
"""Core classes that check none of their inputs: the editor fills the list, the server knows nothing of it."""
_FREE_FORM = "COMFY_"
_UPLOADS = ("image_upload", "video_upload", "audio_upload", "file_upload", "animated_image_upload")


@dataclass(frozen=True)
class InputSpec:
    """One input of a node."""

    name: str
    type: str
    required: bool
    choices: tuple[object, ...] | None
    """None: no list, or one that does not count."""
    options: Mapping[str, Any]
    uploads: tuple[object, ...] | None = None
    """What has been uploaded so far, of an input that names such a file."""

    @property
    def takes_anything(self) -> bool:
        """Is nothing known about its type?"""
        return self.type in ANYTHING

    @property
    def grows(self) -> bool:
        """May there be inputs called `name.something` that only the node knows?"""
        return self.type.startswith(_FREE_FORM) and self.type not in (CHOICE_WITH_INPUTS, *ANYTHING)

    def number(self, option: str) -> int | float | None:
        """Its `min`, `max` or `step`, where that is a number one can count with."""
        value = self.options.get(option)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value if isinstance(value, int) or math.isfinite(value) else None


def node_of(object_info: ObjectInfo, class_type: str) -> Mapping[str, Any] | None:
    """The schema of a class; None: the server has none of this name."""
    if class_type not in object_info:
        return None
    return _mapping(object_info[class_type])


def inputs_of(node: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, InputSpec]:
    """A node's inputs by name, with those that the given values bring along."""
    groups = _mapping(node.get("input"))
    found: dict[str, InputSpec] = {}
    for group in ("required", "optional"):
        for name, spec in _mapping(groups.get(group)).items():
            for one in _specs(name, spec, given, required=group == "required"):
                found[one.name] = one
    return found


def outputs_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The types of a node's outputs; a list of choices is called COMBO."""
    output = node.get("output")
    kinds = output if isinstance(output, (list, tuple)) else ()
    return tuple(CHOICE if isinstance(kind, list) else str(kind) for kind in kinds)


def is_custom(node: Mapping[str, Any]) -> bool:
    """Does this class come from outside ComfyUI? It may check its values itself, and then no list or range counts."""
    return str(node.get("python_module", "")).startswith("custom_nodes")


def _specs(name: str, spec: object, given: Mapping[str, Any], *, required: bool) -> Iterator[InputSpec]:
    if not isinstance(spec, (list, tuple)) or not spec:
        yield InputSpec(name, ANYTHING[0], required, None, {})
        return
    kind, options = spec[0], _mapping(spec[1] if len(spec) > 1 else None)
    if isinstance(kind, list):
        yield _choice(name, required, kind, options)
        yield from _of_format(options, given.get(name), given)
    elif kind == CHOICE_WITH_INPUTS:
        keys = tuple(option["key"] for option in _listed(options))
        yield InputSpec(name, kind, required, keys, options)
        yield from _brought_along(name, options, given)
    elif kind == CHOICE:
        yield _choice(name, required, options.get("options"), options)
        yield from _of_format(options, given.get(name), given)
    elif kind == ROWS:
        yield InputSpec(name, ROWS, required, None, options)
        yield from _of_rows(name, options, given)
    else:
        yield InputSpec(name, str(kind), required, None, options)


def _brought_along(name: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[InputSpec]:
    """What the chosen option adds, under `name.…`, and demands: unless it is there in the older, plain spelling.

    A choice that is not made brings nothing along, and a server does not miss it.
    """
    for option in _listed(options):
        if option["key"] != given.get(name):
            continue
        groups = _mapping(option.get("inputs"))
        for group in ("required", "optional"):
            for below, spec in _mapping(groups.get(group)).items():
                chooses = isinstance(spec, (list, tuple)) and bool(spec) and spec[0] == CHOICE_WITH_INPUTS
                demanded = group == "required" and not chooses and below not in given
                yield from _specs(f"{name}.{below}", spec, given, required=demanded)


def _of_format(options: Mapping[str, Any], chosen: object, given: Mapping[str, Any]) -> Iterator[InputSpec]:
    """What a format adds, under its own name: `["crf", "INT", {…}]`."""
    added = _mapping(options.get("formats")).get(chosen) if isinstance(chosen, str) else None
    for one in added if isinstance(added, list) else ():
        if isinstance(one, list) and one and isinstance(one[0], str):
            yield from _specs(one[0], one[1:], given, required=False)


def _of_rows(name: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[InputSpec]:
    """The inputs of the rows that are there: each is as the template says."""
    template = _mapping(options.get("template"))
    grouped = {**_mapping(template.get("required")), **_mapping(template.get("optional"))} or template
    for key in given:
        last = key.rpartition(".")[2]
        if key.startswith(f"{name}.") and last in grouped:
            yield from _specs(key, grouped[last], given, required=False)


def _listed(options: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = options.get("options")
    return [one for one in listed if isinstance(one, Mapping) and "key" in one] if isinstance(listed, list) else []


def _choice(name: str, required: bool, listed: object, options: Mapping[str, Any]) -> InputSpec:
    """A list counts, unless what is uploaded later counts as well."""
    values = tuple(listed) if isinstance(listed, list) else None
    if any(options.get(upload) for upload in _UPLOADS):
        return InputSpec(name, CHOICE, required, None, options, uploads=values)
    return InputSpec(name, CHOICE, required, None if options.get("remote") else values, options)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
