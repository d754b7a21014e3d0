"""One input of one node: which there are, and is a value or a link what the class asks for?"""

from collections.abc import Callable, Mapping
from typing import Any

Problem = dict[str, Any]
Spec = list[Any]
Declared = Mapping[str, Mapping[str, Spec]]
"""`required` and `optional`: name → spec."""

CONVERTED: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LONGEST_LIST = 20
"""A combo with more options is not written out in the refusal."""

FILES = {"LoadImage": ("image", "Invalid image file: {}"), "LoadVideo": ("file", "Invalid video file: {}")}
"""Classes that look for the file themselves, and what they say when it is not there."""

GROWING, CHOOSING = "COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3"
"""Inputs that bring further ones: as many as are needed, or those of the option that was chosen."""


# ── which inputs there are ───────────────────────────────────────────────


def live_inputs(declared: Declared, given: Mapping[str, Any]) -> dict[str, tuple[Spec, bool]]:
    """Every input of a node as it is filled in: full name → spec, and whether it has to be there.

    Nobody misses an input that chooses, or sees that its option does not exist: it is then no input at all.
    """
    live: dict[str, tuple[Spec, bool]] = {}
    for kind, inputs in declared.items():
        for name, spec in inputs.items():
            _add(live, name, spec, kind == "required", given)
    return live


def _add(live: dict[str, tuple[Spec, bool]], name: str, spec: Spec, required: bool, given: Mapping[str, Any]) -> None:
    if spec[0] == GROWING:
        template = spec[1]["template"]
        names = template.get("names") or [f"{template['prefix']}{number}" for number in range(template["max"])]
        ((kind, inputs),) = template["input"].items()
        (grown,) = inputs.values()
        for number, part in enumerate(names):
            live[f"{name}.{part}"] = (grown, kind == "required" and number < template["min"])
    elif spec[0] == CHOOSING:
        chosen = next((option for option in spec[1]["options"] if option["key"] == given.get(name)), None)
        if chosen is not None:
            live[name] = (spec, required)
            for kind, inputs in chosen["inputs"].items():
                for part, further in inputs.items():
                    _add(live, f"{name}.{part}", further, kind == "required", given)
    else:
        live[name] = (spec, required)


def unchosen(declared: Declared, given: Mapping[str, Any]) -> str | None:
    """A required input that chooses, and has nothing chosen: the node stumbles over it when it runs."""
    live = live_inputs(declared, given)
    found = (name for name, spec in declared["required"].items() if spec[0] == CHOOSING and name not in live)
    return next(found, None)


# ── what is wrong with one ───────────────────────────────────────────────


def link_problem(name: str, spec: Spec, link: list[Any], types: list[str] | None) -> Problem | None:
    """`types`: of the outputs of the node it leads to; None: it is no link."""
    if types is None:
        words = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
        return _problem("bad_linked_input", words, name, name, spec, received_value=link)
    received, wanted = types[link[1]], spec[0] if isinstance(spec[0], str) else "COMBO"
    if received == "*" or wanted == "*" or set(wanted.split(",")) & {received}:
        return None
    words = f"{name}, received_type({received}) mismatch input_type({wanted})"
    kind, message = "return_type_mismatch", "Return type mismatch between linked nodes"
    return _problem(kind, message, words, name, spec, received_type=received, linked_node=link)


def value_problem(name: str, spec: Spec, given: dict[str, Any], *, required: bool) -> Problem | None:
    """A value that can be converted is converted."""
    kind, options = spec[0], _options(spec)
    if name not in given:
        if not required:
            return None
        return {
            "type": "required_input_missing",
            "message": "Required input is missing",
            "details": name.rpartition(".")[2],
            "extra_info": {"input_name": name},
        }
    value = given[name]
    if options is not None:
        return _choice(name, spec, options, value)
    if kind not in CONVERTED:
        return None
    try:
        value = given[name] = CONVERTED[kind](value)
    except (ValueError, TypeError) as error:
        words = f"Failed to convert an input value to a {kind} value"
        info = {"received_value": value, "exception_message": str(error)}
        return _problem("invalid_input_type", words, f"{name}, {value}, {error}", name, spec, **info)
    return _range(name, spec, value)


def file_problem(class_type: str, given: dict[str, Any], exists: Callable[[str], bool]) -> Problem | None:
    """`exists` answers for a file name as it stands in a graph."""
    if class_type not in FILES:
        return None
    name, words = FILES[class_type]
    value = given.get(name)
    if not isinstance(value, str) or exists(value):
        return None
    details, message = f"{name} - {words.format(value)}", "Custom validation failed for node"
    return {
        "type": "custom_validation_failed",
        "message": message,
        "details": details,
        "extra_info": {"input_name": name},
    }


def _choice(name: str, spec: Spec, options: list[Any], value: Any) -> Problem | None:
    if value in options or _offers_files(spec):
        return None
    long = len(options) > LONGEST_LIST
    told = f"(list of length {len(options)})" if long else str(options)
    problem = _problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {told}", name, spec)
    problem["extra_info"] |= {"input_config": None if long else _config(spec), "received_value": value}
    return problem


def _range(name: str, spec: Spec, value: Any) -> Problem | None:
    limits = spec[1] if len(spec) > 1 else {}
    if "min" in limits and value < limits["min"]:
        words = f"Value {value} smaller than min of {limits['min']}"
        return _problem("value_smaller_than_min", words, name, name, spec, received_value=value)
    if "max" in limits and value > limits["max"]:
        words = f"Value {value} bigger than max of {limits['max']}"
        return _problem("value_bigger_than_max", words, name, name, spec, received_value=value)
    return None


def _options(spec: Spec) -> list[Any] | None:
    kind = spec[0]
    if isinstance(kind, list):
        return kind
    if kind == "COMBO":
        options: list[Any] = spec[1]["options"]
        return options
    return None


def _offers_files(spec: Spec) -> bool:
    return len(spec) > 1 and bool({"image_upload", "video_upload"} & spec[1].keys())


def _config(spec: Spec) -> Spec:
    return spec if len(spec) > 1 else [*spec, {}]


def _problem(kind: str, message: str, details: str, name: str, spec: Spec, **info: Any) -> Problem:
    extra = {"input_name": name, "input_config": _config(spec), **info}
    return {"type": kind, "message": message, "details": details, "extra_info": extra}
