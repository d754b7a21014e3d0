"""Calls that were refused: which route, with what, when."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """`code` is what the client was told, or the name of the fault that hit it."""

    route: str
    code: int | str
    wall: float
    virtual: float
