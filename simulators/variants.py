"""Variants: answers that differ from the documented one, each with a name, and the weather that deals them out.

A script asks for one by name (`{"variant": "state_upper_case"}`); a weather profile deals them by chance, the same in
every run with a seed. A variant never changes what the ledger holds: it changes what the caller gets to see, or keeps
the call from having its effect at all.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulators.faults import NO_FAULT, Fault
from simulators.wire import Answer

Changed = tuple[Answer, Fault]
"""The answer as the caller gets it, and what happens to it on the wire."""


def any_answer(answer: Answer) -> bool:
    """Fits whatever the service answers, as long as it does not refuse."""
    return answer.code is None


@dataclass(frozen=True)
class Variant:
    """One way of answering.

    `fits` looks at the true answer: a variant of the result fits only an answer that has one. With `acts` false the
    call has no effect, and there is no true answer to change. With `dealt` false only a script brings it about:
    an operator would have to act on it.
    """

    name: str
    change: Callable[[Answer], Changed]
    fits: Callable[[Answer], bool] = any_answer
    acts: bool = True
    dealt: bool = True


@dataclass(frozen=True)
class Chance:
    """How often a call of a route meets a variant. `first`: as long as one that fits has not happened yet."""

    usual: float = 0.0
    first: float = 0.0


@dataclass
class _Dealer:
    """The variants of one route and how often each has happened."""

    variants: tuple[Variant, ...]
    dice: random.Random
    dealt: Counter[str] = field(default_factory=Counter)

    def draw(self, answer: Answer | None, chance: Chance, without: Iterable[str]) -> Variant | None:
        """`answer`: the true one, or None before the call has had its effect."""
        possible = [variant for variant in self.variants if variant.dealt and variant.name not in without]
        fitting = [variant for variant in possible if _can_be(variant, answer)]
        if not fitting:
            return None
        fresh = [variant for variant in fitting if not self.dealt[variant.name]]
        # Calls that are asked about twice meet a variant as often as the others.
        share = len(fitting) / len(possible) if answer is None else 1.0
        if self.dice.random() >= share * max(chance.usual, chance.first if fresh else 0.0):
            return None
        fewest = min(self.dealt[variant.name] for variant in fitting)
        chosen = self.dice.choice([variant for variant in fitting if self.dealt[variant.name] == fewest])
        self.dealt[chosen.name] += 1
        return chosen


def _can_be(variant: Variant, answer: Answer | None) -> bool:
    return not variant.acts if answer is None else variant.acts and variant.fits(answer)


class Dealers:
    """All variants of a service: by name for scripts, by chance for everything else."""

    def __init__(
        self,
        variants: Mapping[str, tuple[Variant, ...]],
        seed: int,
        chance: Callable[[str], Chance],
        without: Callable[[], Iterable[str]],
    ) -> None:
        self._variants = variants
        self._seed = seed
        self._chance = chance
        self._without = without
        self.forget()

    def forget(self) -> None:
        """Start the dice again."""
        self._dealers = {
            route: _Dealer(variants, random.Random(f"{self._seed}:weather:{route}"))
            for route, variants in self._variants.items()
        }

    def named(self, route: str, name: str) -> Variant:
        """The variant a script asks for. Raises `ValueError` when the route has none of that name."""
        for variant in self._variants.get(route, ()):
            if variant.name == name:
                return variant
        raise ValueError(f"no such variant of {route}: {name!r}")

    def draw(self, route: str, answer: Answer | None = None) -> Variant | None:
        """What this call meets, if anything: asked before the effect without an answer, then with the true one."""
        dealer, chance = self._dealers.get(route), self._chance(route)
        if dealer is None or not (chance.usual or chance.first):
            return None
        return dealer.draw(answer, chance, self._without())


class Varying(Protocol):
    """A service that varies its answers, as its desk sees it."""

    def named(self, route: str, name: str) -> Variant:
        """The variant a script asks for."""

    def draw(self, route: str, answer: Answer | None = None) -> Variant | None:
        """What a call meets by chance."""

    def changed(self, route: str, variant: Variant, answer: Answer) -> Changed:
        """The answer as the caller gets it; noted in the ledger."""

    def usual(self, route: str, answer: Answer) -> Answer:
        """The answer of a call that meets nothing."""


def unchanged(answer: Answer) -> Changed:
    """The answer, in good order."""
    return answer, NO_FAULT
