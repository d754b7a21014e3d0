"""Numbers that a graph computes: what arrives at an input through primitives, sliders, arithmetic.

Only nodes whose arithmetic is known are followed, by table, and nodes that hold a single number. Of everything else it
is said that it is not known.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from comfy_workflows.expression import NotArithmetic, Number, counted, evaluated
from comfy_workflows.rewire import is_link

Nodes = Mapping[str, Any]


class NotComputable(Exception):
    """A node makes a number in a way that is not known here."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


_FLOAT_INT = (float, int)
_INT_FLOAT = (int, float)
_EXPRESSIONS: Mapping[str, tuple[str, tuple[Callable[[Any], Number], ...]]] = {
    "ComfyMathExpression": ("expression", _FLOAT_INT),
    "MathExpression|pysssss": ("expression", _INT_FLOAT),
    "SimpleMath+": ("value", (round, float)),
    "SimpleMathDual+": ("value_1", (round, float)),
    "SimpleCalculatorKJ": ("expression", _FLOAT_INT),
    "Evaluate Integers": ("python_expression", _INT_FLOAT),
    "Evaluate Floats": ("python_expression", _INT_FLOAT),
}
"""Class → the input with the arithmetic, and what each output makes of the result. Comfy-Org/ComfyUI,
comfy_extras/nodes_math.py, and the custom nodes' own sources."""

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("add", "addition", "plus", "sum", "+"), operator.add),
    **dict.fromkeys(("subtract", "subtraction", "sub", "minus", "-"), operator.sub),
    **dict.fromkeys(("multiply", "multiplication", "mul", "times", "*"), operator.mul),
    **dict.fromkeys(("divide", "division", "div", "/"), operator.truediv),
    **dict.fromkeys(("floordiv", "floor_divide", "//", "floor division"), operator.floordiv),
    **dict.fromkeys(("mod", "modulo", "modulus", "%"), operator.mod),
    "min": min,
    "max": max,
}
_OPERATIONS: Mapping[str, tuple[str, str, str]] = {
    "CM_IntBinaryOperation": ("op", "a", "b"),
    "CM_FloatBinaryOperation": ("op", "a", "b"),
    "CM_NumberBinaryOperation": ("op", "a", "b"),
    "easy mathInt": ("operation", "a", "b"),
    "easy mathFloat": ("operation", "a", "b"),
    "Number Operation": ("operation", "number_a", "number_b"),
    "LayerUtility: NumberCalculator": ("operator", "a", "b"),
    "LayerUtility: NumberCalculatorV2": ("operator", "a", "b"),
    "Math Operation": ("operation", "a", "b"),
}
"""Class → its inputs for the operation and the two numbers."""
_WHOLE = frozenset({"CM_IntBinaryOperation", "easy mathInt", "CM_FloatToInt", "FloatToInt", "Float to Int"})
"""Classes whose result is cut to a whole number."""
_WHOLE_HOLDERS = frozenset({"PrimitiveInt", "INTConstant", "easy int", "Int", "Int Literal", "SimpleMathInt+"})
_HANDED_ON: Mapping[str, tuple[str, ...]] = {
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "INTConstant": ("value",),
    "FloatConstant": ("value",),
    "easy int": ("value",),
    "easy float": ("value",),
    "ComfyNumberConvert": ("value",),
    "CM_IntToFloat": ("a",),
    "CM_FloatToInt": ("a",),
    "CM_IntToNumber": ("a",),
    "CM_NumberToInt": ("a",),
    "CM_NumberToFloat": ("a",),
    "IntToFloat": ("int", "value"),
    "FloatToInt": ("float", "value"),
    "Float to Int": ("float", "value"),
}
"""Class → the input whose number it hands on."""
_ARITHMETIC = frozenset({*_EXPRESSIONS, *_OPERATIONS, *_HANDED_ON, "ComfySwitchNode"})
_MEDIA = frozenset(
    "model clip vae image images frames pixels samples latent latent_image video audio mask positive negative "
    "conditioning noise guider sampler sigmas clip_vision control_net start_image reference_image".split()
)
"""Inputs of nodes that make pictures or sound, and no numbers."""


_Known = dict[tuple[str, int], Number]
"""What outputs came to: many paths may lead to one."""


def number_of(graph: Nodes, value: object, *, _way: tuple[str, ...] = (), _known: _Known | None = None) -> Number:
    """The number of an input: as it is written there, or what arrives from another node.

    Raises:
        NotComputable: a node on the way makes it in a way that is not known here.
    """
    if not is_link(value):
        number = plain_number(value)
        if number is None:
            raise NotComputable(_way[-1] if _way else "")
        return number
    assert isinstance(value, list)
    node, slot = value
    if node not in graph or node in _way or len(_way) > 50:
        raise NotComputable(node)
    known = {} if _known is None else _known
    try:
        if (node, slot) not in known:
            known[node, slot] = counted(_made(graph, node, slot, (*_way, node), known))
        return known[node, slot]
    except (NotArithmetic, ArithmeticError, ValueError, KeyError, IndexError):
        raise NotComputable(node) from None


def plain_number(value: object) -> Number | None:
    """A number as it stands in a graph, also as a text; None: it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.isascii() or len(text) > 20:
        return None
    try:
        number = counted(float(text))
    except (ValueError, NotArithmetic):
        return None
    return int(number) if text.lstrip("+-").isdigit() else number


def makes_numbers(content: Mapping[str, Any]) -> bool:
    """May a number go through this node and come out as another one? A node with pictures or models makes none."""
    names = {key.rpartition(".")[2] for key in content["inputs"]}
    return content["class_type"] in _EXPRESSIONS or not names & _MEDIA


def holds_a_number(content: Mapping[str, Any]) -> bool:
    """Does the node hold one number and hand it on as it is?"""
    return _held(content) is not None


def slider_input(content: Mapping[str, Any]) -> str | None:
    """The input that counts of a slider with one for whole numbers and one for others; None: it is none."""
    if content["class_type"] != "mxSlider":
        return None
    return "Xf" if content["inputs"].get("isfloatX") else "Xi"


def receivers(graph: Nodes, node: str) -> set[str]:
    """The nodes that use a number of this node for what they make; a node that makes something itself is its own."""
    found: set[str] = set()
    todo, seen = [node], {node}
    while todo:
        source = todo.pop()
        content = graph[source]
        if not (holds_a_number(content) or slider_input(content) or content["class_type"] in _ARITHMETIC):
            found.add(source)
            continue
        for taker, other in graph.items():
            if taker not in seen and any(is_link(one) and one[0] == source for one in other["inputs"].values()):
                seen.add(taker)
                todo.append(taker)
    return found


def holds_whole_numbers(content: Mapping[str, Any]) -> bool:
    """Does the node hand on whole numbers only, by its class?"""
    class_type = content["class_type"]
    return class_type in _WHOLE_HOLDERS or slider_input(content) == "Xi"


def _made(graph: Nodes, node: str, slot: int, way: tuple[str, ...], known: _Known) -> Number:
    content = graph[node]
    class_type, inputs = content["class_type"], content["inputs"]

    def given(name: str) -> Number:
        return number_of(graph, inputs[name], _way=way, _known=known)

    if class_type in _EXPRESSIONS:
        name, kinds = _EXPRESSIONS[class_type]
        variables = {key.rpartition(".")[2]: key for key in inputs if key != name}
        return kinds[slot](evaluated(str(inputs[name]), lambda variable: given(variables[variable])))
    if class_type in _OPERATIONS:
        operation, first, second = _OPERATIONS[class_type]
        result = _OPERATORS[str(inputs[operation]).strip().lower()](given(first), given(second))
        return int(result) if class_type in _WHOLE else result
    if slider := slider_input(content):
        return given(slider)
    if class_type == "ComfySwitchNode" and isinstance(inputs.get("switch"), bool):
        return given("on_true" if inputs["switch"] else "on_false")
    for name in _HANDED_ON.get(class_type, ()):
        if name in inputs:
            return int(given(name)) if class_type in _WHOLE else given(name)
    held = _held(content)
    if held is None:
        raise NotComputable(node)
    return held


def _held(content: Mapping[str, Any]) -> Number | None:
    """The only number of a node that no other node leads to."""
    inputs = content["inputs"]
    if content["class_type"] in (*_EXPRESSIONS, *_OPERATIONS, "mxSlider") or any(map(is_link, inputs.values())):
        return None
    if content["class_type"] in ("PrimitiveInt", "PrimitiveFloat") and "value" in inputs:
        return plain_number(inputs["value"])
    numbers = [one for one in inputs.values() if isinstance(one, (int, float)) and not isinstance(one, bool)]
    texts = [number for one in inputs.values() if isinstance(one, str) and (number := plain_number(one)) is not None]
    found = numbers or texts
    return found[0] if len(found) == 1 else None
