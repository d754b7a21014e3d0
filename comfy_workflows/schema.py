"""A server's node schema (`/object_info`): which inputs a node has, of which type, in which range.

Two spellings are in use: `[["a", "b"], {…}]` and `["COMBO", {"options": ["a", "b"]}]` for a choice. Newer nodes have
inputs that depend on a value (`COMFY_DYNAMICCOMBO_V3`: `format` brings `format.codec`) and inputs that grow.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ObjectInfo = Mapping[str, Any]
"""The answer to GET /object_info: class → inputs and outputs."""

ANYTHING = ("*", "COMFY_MATCHTYPE_V3")
CHOICE, CHOICE_WITH_INPUTS = "COMBO", "COMFY_DYNAMICCOMBO_V3"
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

    @property
    def takes_anything(self) -> bool:
        """Is nothing known about its type?"""
        return self.type in ANYTHING

    @property
    def grows(self) -> bool:
        """May there be inputs called `name.something` that only the node knows?"""
        return self.type.startswith(_FREE_FORM) and self.type not in (CHOICE_WITH_INPUTS, *ANYTHING)


def inputs_of(node: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, InputSpec]:
    """A node's inputs by name, with those that the given values bring along."""
    groups = node.get("input", {})
    found: dict[str, InputSpec] = {}
    for group in ("required", "optional"):
        for name, spec in groups.get(group, {}).items():
            for one in _specs(name, spec, given, required=group == "required"):
                found[one.name] = one
    return found


def outputs_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The types of a node's outputs; a list of choices is called COMBO."""
    return tuple(CHOICE if isinstance(kind, list) else str(kind) for kind in node.get("output", ()))


def _specs(name: str, spec: Any, given: Mapping[str, Any], *, required: bool) -> Iterator[InputSpec]:
    kind = spec[0]
    options: Mapping[str, Any] = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    if isinstance(kind, list):
        yield InputSpec(name, CHOICE, required, _choices(kind, options), options)
    elif kind == CHOICE_WITH_INPUTS:
        keys = [option["key"] for option in options.get("options", ())]
        yield InputSpec(name, kind, required, tuple(keys), options)
        yield from _brought_along(name, options, given)
    elif kind == CHOICE:
        yield InputSpec(name, CHOICE, required, _choices(options.get("options"), options), options)
    else:
        yield InputSpec(name, str(kind), required, None, options)


def _brought_along(name: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[InputSpec]:
    """What the chosen option adds, under `name.…`. None of it is demanded: the server knows older spellings, too."""
    chosen = [option for option in options.get("options", ()) if option["key"] == given.get(name)]
    for option in chosen:
        groups = option.get("inputs", {})
        for group in ("required", "optional"):
            for below, spec in groups.get(group, {}).items():
                yield from _specs(f"{name}.{below}", spec, given, required=False)


def _choices(listed: Any, options: Mapping[str, Any]) -> tuple[object, ...] | None:
    """The list, unless what is uploaded later counts as well."""
    if not isinstance(listed, list) or any(options.get(upload) for upload in _UPLOADS) or options.get("remote"):
        return None
    return tuple(listed)
