"""Arithmetic as nodes of ComfyUI have it in a text: `floor(a * b + 1)`, `(a - 1) // 4 * 4 + 1`.

Core's ComfyMathExpression reads it with simpleeval, the common custom nodes in the same way: Python's operators and a
few functions. Nothing else is read here.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 500
"""Characters of an expression that is read."""
LARGEST = 1e15
"""Numbers beyond this are no lengths."""
MOST_EXPONENT = 64

Number = int | float


class NotArithmetic(Exception):
    """A text that is no arithmetic of known numbers."""


def _power(base: Number, exponent: Number) -> Any:
    if abs(exponent) > MOST_EXPONENT:
        raise NotArithmetic(f"exponent {exponent}")
    return base**exponent


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": round,
    "sqrt": math.sqrt,
    "ceil": math.ceil,
    "floor": math.floor,
    "int": int,
    "float": float,
    "sum": lambda *numbers: sum(numbers),
    "iif": lambda condition, yes, no: yes if condition else no,
}


def evaluated(text: str, number_of: Callable[[str], Number]) -> Number:
    """What an expression comes to; `number_of` says what a name in it stands for.

    Raises:
        NotArithmetic: it is something else, or comes to no number that can be counted with.
    """
    if len(text) > LONGEST:
        raise NotArithmetic(text[:LONGEST])
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval")
        return counted(_value(tree.body, number_of))
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        raise NotArithmetic(text) from None


def counted(value: object) -> Number:
    """A number one can count with.

    Raises:
        NotArithmetic: it is none.
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)) and abs(value) <= LARGEST:  # false of NaN
        return value
    raise NotArithmetic(repr(value)[:50])


def _value(part: ast.expr, number_of: Callable[[str], Number]) -> Any:
    def of(inner: ast.expr) -> Number:
        return counted(_value(inner, number_of))

    match part:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return number_of(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -of(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return of(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not of(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](of(left), of(right))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return of(body) if of(test) else of(orelse)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
            return _COMPARED[type(op)](of(left), of(right))
        case ast.BoolOp(op=op, values=values):
            return (all if isinstance(op, ast.And) else any)([of(value) for value in values])
        case ast.Call(func=ast.Name(id="pow"), args=[left, right], keywords=[]):
            return _power(of(left), of(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*[of(argument) for argument in args])
    raise NotArithmetic(ast.dump(part)[:50])
