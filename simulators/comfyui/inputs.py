"""One input of one node: is its value or its link what the class asks for?"""

from collections.abc import Callable
from typing import Any

Problem = dict[str, Any]

CONVERTED: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LONGEST_LIST = 20
"""A combo with more options is not written out in the refusal."""

FILES = {"LoadImage": ("image", "image - Invalid image file: {}"), "LoadVideo": ("file", "Invalid video file: {}")}
"""Classes that look for the file themselves, and what they say when it is not there."""


class InputCheck:
    """`exists` answers for a file name as it stands in a graph."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        self._exists = exists

    def link(self, name: str, spec: list[Any], link: list[Any], types: list[str] | None) -> Problem | None:
        if types is None:
            words = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return _problem("bad_linked_input", words, name, name, spec, received_value=link)
        received, wanted = types[link[1]], spec[0] if isinstance(spec[0], str) else "COMBO"
        if received == "*" or wanted == "*" or wanted.startswith("COMFY_") or set(wanted.split(",")) & {received}:
            return None
        words = f"{name}, received_type({received}) mismatch input_type({wanted})"
        kind, message = "return_type_mismatch", "Return type mismatch between linked nodes"
        return _problem(kind, message, words, name, spec, received_type=received, linked_node=link)

    def value(self, name: str, spec: list[Any], given: dict[str, Any], *, required: bool) -> Problem | None:
        kind, options = spec[0], _options(spec)
        if name not in given:
            if not required or kind == "COMFY_AUTOGROW_V3":
                return None
            return {
                "type": "required_input_missing",
                "message": "Required input is missing",
                "details": name,
                "extra_info": {"input_name": name},
            }
        value = given[name]
        if options is not None:
            return self._choice(name, spec, options, value)
        if kind not in CONVERTED:
            return None
        try:
            value = given[name] = CONVERTED[kind](value)
        except (ValueError, TypeError) as error:
            words = f"Failed to convert an input value to a {kind} value"
            info = {"received_value": value, "exception_message": str(error)}
            return _problem("invalid_input_type", words, f"{name}, {value}, {error}", name, spec, **info)
        return self._range(name, spec, value)

    def files(self, class_type: str, given: dict[str, Any]) -> list[Problem]:
        if class_type not in FILES:
            return []
        name, words = FILES[class_type]
        value = given.get(name)
        if not isinstance(value, str) or self._exists(value):
            return []
        info = {"input_name": name}
        message = "Custom validation failed for node"
        return [
            {"type": "custom_validation_failed", "message": message, "details": words.format(value), "extra_info": info}
        ]

    def _choice(self, name: str, spec: list[Any], options: list[Any], value: Any) -> Problem | None:
        if value in options or _offers_files(spec):
            return None
        long = len(options) > LONGEST_LIST
        told = f"(list of length {len(options)})" if long else str(options)
        problem = _problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {told}", name, spec)
        problem["extra_info"] |= {"input_config": None if long else _config(spec), "received_value": value}
        return problem

    def _range(self, name: str, spec: list[Any], value: Any) -> Problem | None:
        limits = spec[1] if len(spec) > 1 else {}
        if "min" in limits and value < limits["min"]:
            words = f"Value {value} smaller than min of {limits['min']}"
            return _problem("value_smaller_than_min", words, name, name, spec, received_value=value)
        if "max" in limits and value > limits["max"]:
            words = f"Value {value} bigger than max of {limits['max']}"
            return _problem("value_bigger_than_max", words, name, name, spec, received_value=value)
        return None


def _options(spec: list[Any]) -> list[Any] | None:
    kind = spec[0]
    if isinstance(kind, list):
        return kind
    if kind == "COMBO":
        options: list[Any] = spec[1]["options"]
        return options
    if kind == "COMFY_DYNAMICCOMBO_V3":
        return [option["key"] for option in spec[1]["options"]]
    return None


def _offers_files(spec: list[Any]) -> bool:
    return len(spec) > 1 and bool({"image_upload", "video_upload"} & spec[1].keys())


def _config(spec: list[Any]) -> list[Any]:
    return spec if len(spec) > 1 else [*spec, {}]


def _problem(kind: str, message: str, details: str, name: str, spec: list[Any], **info: Any) -> Problem:
    extra = {"input_name": name, "input_config": _config(spec), **info}
    return {"type": kind, "message": message, "details": details, "extra_info": extra}
