"""The weather over KIE.ai: which variants of answers and which kinds of tasks come by chance, and how often."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulators.faults import Kind
from simulators.kie.config import KieConfig, TaskOrder
from simulators.kie.file_variants import DOWNLOADS
from simulators.kie.look_variants import CREDITS, LOOKS, billed
from simulators.kie.order_variants import BALANCES, CALLBACKS, LINKS, ORDERS, UPLOADS
from simulators.kie.wire_variants import as_text, envelope
from simulators.variants import Chance, Changed, Dealers, Variant, unchanged
from simulators.wire import Answer

VARIANTS: dict[str, tuple[Variant, ...]] = {
    "recordInfo": LOOKS,
    "createTask": ORDERS,
    "credit": BALANCES,
    "downloadUrl": LINKS,
    "uploadStream": UPLOADS,
    "uploadBase64": UPLOADS,
    "uploadUrl": UPLOADS,
    "files": DOWNLOADS,
    "callbacks": CALLBACKS,
}
"""By route."""

_RATES = {
    "recordInfo": "looks",
    "createTask": "orders",
    "credit": "balances",
    "downloadUrl": "links",
    "uploadStream": "uploads",
    "uploadBase64": "uploads",
    "uploadUrl": "uploads",
    "files": "downloads",
}

OTHER_FORMATS: dict[str, dict[str, Any]] = {
    "hevc": {"clip": "hevc"},
    "mjpeg": {"clip": "wrong_codec"},
    "smaller": {"clip": "wrong_size"},
}
"""Clips that can be decoded and shown, in another codec or size than was ordered."""

BAD_PICTURES: dict[str, dict[str, Any]] = {
    "black": {"clip": "black"},
    "frozen": {"clip": "frozen"},
    "half_as_long": {"clip": "wrong_length"},
}
"""Clips whose fault is in the picture: every download is the same."""

FAILURES: dict[str, dict[str, Any]] = {
    "still_pixels": {"fail": "Image pixel is invalid", "fail_code": "422"},
    "still_shape": {"fail": "The image aspect ratio is not supported", "fail_code": "422"},
    "still_not_fetched": {"fail": "failed to download media from the provided url", "fail_code": "451"},
    "risk_control": {"fail": "Failure to pass the risk control system"},
    "chinese": {"fail": "内容违规 请修改后重试"},
    "safety": {"fail": "Your request was rejected by our safety system"},
    "public_figure": {"fail": "The image contains a recognizable public figure"},
    "copyright": {"fail": "The content may infringe copyright"},
    "code_only": {"fail": "code_only"},
    "page": {"fail": "<html><body><h1>502 Bad Gateway</h1></body></html>"},
    "retries_exhausted": {"fail": "Retry policy exhausted: upstream timeout"},
    "internal": {"fail": "internal"},
    "billed_all_the_same": {"fail": "internal error", "bill_failed": True},
}
"""Tasks that fail for good, in the words KIE.ai has been seen to use."""


_TASKS = {"failures": FAILURES, "other_formats": OTHER_FORMATS, "bad_pictures": BAD_PICTURES}
"""What becomes of tasks: dealt as answers are, under routes of their own."""


class KieWeather:
    """Deals variants of answers, and what becomes of tasks. `note` is told every one that happened."""

    def __init__(self, config: KieConfig, note: Callable[[str, str], None]) -> None:
        self._config = config
        self._note = note
        tasks = {route: tuple(Variant(name, unchanged) for name in orders) for route, orders in _TASKS.items()}
        seed = config.seed if config.weather.seed is None else config.weather.seed
        self._dealers = Dealers(VARIANTS | tasks, seed, self._chance, lambda: config.weather.without)

    def forget(self) -> None:
        """Start the dice again."""
        self._dealers.forget()

    def task(self) -> TaskOrder | None:
        """What becomes of the next task, where the weather has a say."""
        for route, orders in _TASKS.items():
            if (variant := self._dealers.draw(route, Answer())) is not None:
                self._note(route, variant.name)
                return TaskOrder.model_validate(orders[variant.name])
        return None

    def callback(self, body: bytes) -> Answer:
        """The body of a callback as it is posted."""
        posted = Answer(body)
        variant = self.draw("callbacks", posted)
        return posted if variant is None else self.changed("callbacks", variant, posted)[0]

    # ── what the desk asks ───────────────────────────────────────────────

    def named(self, route: str, name: str) -> Variant:
        """The variant a script asks for. Raises `ValueError` when the route has none of that name."""
        return self._dealers.named(route, name)

    def draw(self, route: str, answer: Answer | None = None) -> Variant | None:
        """What a call meets by chance."""
        return self._dealers.draw(route, answer)

    def changed(self, route: str, variant: Variant, answer: Answer) -> Changed:
        """The answer as the caller gets it."""
        self._note(route, variant.name)
        held, fault = variant.change(self.usual(route, answer))
        weather = self._config.weather
        seconds = {Kind.SLOW_HEADERS: weather.stall_seconds, Kind.SLOW_BODY: weather.drip_seconds}.get(fault.kind)
        return held, fault if seconds is None else fault.model_copy(update={"seconds": seconds})

    def usual(self, route: str, answer: Answer) -> Answer:
        """The answer of a call that meets nothing: with float noise in its bill, where this weather has that."""
        if route != "recordInfo" or not self._config.weather.credits_noise or not billed(answer):
            return answer
        held = envelope(answer)
        held["data"]["creditsConsumed"] = CREDITS["float_noise"](held["data"]["creditsConsumed"])
        self._note(route, "float_noise")
        return replace(answer, body=as_text(held))

    def _chance(self, route: str) -> Chance:
        weather, rate = self._config.weather, _RATES.get(route, route)
        return Chance(float(getattr(weather, rate)), weather.first.get(rate, 0.0))
