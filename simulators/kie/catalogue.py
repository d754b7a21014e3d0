"""The models KIE resells: what each one wants as input, and what it costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[str, Any], str | None]
"""Looks at one input value; says what is wrong with it."""

Price = Callable[[Mapping[str, Any], int], float]
"""Credits for this input and so many seconds."""


def text(limit: int) -> Check:
    def check(name: str, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"{name} must be a string"
        return f"{name} exceeds {limit} characters" if len(value) > limit else None

    return check


def one_of(*values: str | int) -> Check:
    def check(name: str, value: Any) -> str | None:
        # A number is not its spelling: 5 is refused where "5" is wanted, and True is no 1.
        fits = any(type(value) is type(wanted) and value == wanted for wanted in values)
        return None if fits else f"{name} is not within the range of allowed options"

    return check


def number(low: float, high: float) -> Check:
    def check(name: str, value: Any) -> str | None:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"{name} must be a number from {low:g} to {high:g}"

    return check


def flag(name: str, value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{name} must be a boolean"


def url(name: str, value: Any) -> str | None:
    fits = isinstance(value, str) and value.startswith(("http://", "https://"))
    return None if fits else f"{name} must be a URL string"


def array(low: int, high: int, each: Check | None = None) -> Check:
    def check(name: str, value: Any) -> str | None:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return f"{name} must be an array of {low} to {high} items"
        wrong = [problem for entry in value if each and (problem := each(f"{name}[]", entry))]
        return wrong[0] if wrong else None

    return check


def flat(five: float) -> Price:
    return lambda given, seconds: five * seconds / 5


def with_sound(silent: float, sound: float) -> Price:
    return lambda given, seconds: (sound if given.get("sound") else silent) * seconds / 5


@dataclass(frozen=True)
class Model:
    """One row of the table: required and optional input, default length, price."""

    required: Mapping[str, Check]
    optional: Mapping[str, Check]
    price: Price
    image: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=lambda: {"duration": "5"})

    def wrong(self, given: Mapping[str, Any], unknown: str) -> str | None:
        """What is wrong with this input, in the order of the table; nothing: None."""
        for name, check in {**self.required, **self.optional}.items():
            value = given.get(name)
            if value is None or value == "":
                if name in self.required:
                    return f"{name} is required"
            elif problem := check(name, value):
                return problem
        strange = sorted(given.keys() - self.required.keys() - self.optional.keys())
        return f"unknown input: {', '.join(strange)}" if strange and unknown == "refuse" else None

    def seconds(self, given: Mapping[str, Any]) -> int:
        return int(given.get("duration") or self.defaults["duration"])

    def image_url(self, given: Mapping[str, Any]) -> str:
        value = given.get(self.image) if self.image else None
        return str(value[0]) if isinstance(value, list) else str(value or "")


FIVE_OR_TEN = one_of("5", "10")
THREE_TO_FIFTEEN = one_of(*(str(seconds) for seconds in range(3, 16)))
RATIO = one_of("16:9", "9:16", "1:1")
SHARP = one_of("720p", "1080p")


def _classic(price: float, *, prompt: int, tail: bool) -> Model:
    """2.1 and 2.5: one still, a string for the length."""
    optional = {"duration": FIVE_OR_TEN, "negative_prompt": text(500), "cfg_scale": number(0, 1)}
    return Model(
        required={"prompt": text(prompt), "image_url": url},
        optional={**optional, **({"tail_image_url": url} if tail else {})},
        price=flat(price),
        image="image_url",
    )


# The facts give no price for the 3.0 family: the rate of 2.6 stands in for it.
MODELS: dict[str, Model] = {
    "kling/v2-5-turbo-image-to-video-pro": _classic(42, prompt=2500, tail=True),
    "kling/v2-1-standard": _classic(25, prompt=5000, tail=False),
    "kling/v2-1-pro": _classic(50, prompt=5000, tail=True),
    "kling/v2-1-master-image-to-video": _classic(160, prompt=5000, tail=False),
    "kling/v2-5-turbo-text-to-video-pro": Model(
        required={"prompt": text(2500)},
        optional={
            "duration": FIVE_OR_TEN,
            "aspect_ratio": RATIO,
            "negative_prompt": text(2500),
            "cfg_scale": number(0, 1),
        },
        price=flat(42),
    ),
    "kling-2.6/image-to-video": Model(
        required={"prompt": text(1000), "image_urls": array(1, 1, url), "sound": flag},
        optional={"duration": FIVE_OR_TEN},
        price=with_sound(55, 110),
        image="image_urls",
    ),
    "kling-3.0/video": Model(
        required={
            "prompt": text(2500),
            "image_urls": array(1, 2, url),
            "duration": THREE_TO_FIFTEEN,
            "sound": flag,
            "mode": one_of("std", "pro", "4K"),
            "multi_shots": flag,
        },
        optional={
            "aspect_ratio": RATIO,
            "multi_prompt": array(0, 5),
            "kling_elements": array(0, 3),
        },
        price=with_sound(55, 110),
        image="image_urls",
    ),
    "kling/v3-turbo-image-to-video": Model(
        required={"prompt": text(2500), "image_urls": array(1, 2, url)},
        optional={"duration": THREE_TO_FIFTEEN, "resolution": SHARP},
        price=with_sound(55, 110),
        image="image_urls",
    ),
    "kling-3.0-omni/image-to-video": Model(
        required={"prompt": text(2500), "image_urls": array(1, 2, url)},
        optional={"duration": one_of(*range(3, 16)), "resolution": one_of("720p", "1080p", "4k")},
        price=with_sound(55, 110),
        image="image_urls",
        defaults={"duration": 5},
    ),
}
