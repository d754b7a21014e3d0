"""The Kling models KIE.ai resells that make a clip from a still: how each wants its fields, what each costs.

Only models with a known price are listed: an order for any other would be an open bill. The vendor's page for
2.5 turbo pro carries the id of 2.1 master in its OpenAPI part, which costs almost four times as much; so ids are
never taken from elsewhere, and what is billed is compared with this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from studio.errors import InvalidRequest

CREDIT_USD = Decimal("0.005")
"""One KIE.ai credit (public price table, 2026)."""


@dataclass(frozen=True)
class KlingModel:
    """One model: prices in credits by clip length in seconds, and the shape of its input."""

    id: str
    credits: Mapping[int, int]
    prompt_limit: int
    image_field: str = "image_url"
    image_is_list: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def input(self, *, prompt: str, image_url: str, seconds: int) -> dict[str, Any]:
        """The `input` object of createTask. The duration is a string: a number is refused with 422."""
        image: str | list[str] = [image_url] if self.image_is_list else image_url
        return {"prompt": prompt, self.image_field: image, "duration": str(seconds), **self.extra}

    def price_usd(self, seconds: int) -> Decimal:
        """What a clip of this length costs."""
        return self.credits[seconds] * CREDIT_USD


_ALL = (
    KlingModel("kling/v2-5-turbo-image-to-video-pro", {5: 42, 10: 84}, prompt_limit=2_500),
    KlingModel("kling/v2-1-standard", {5: 25, 10: 50}, prompt_limit=5_000),
    KlingModel("kling/v2-1-pro", {5: 50, 10: 100}, prompt_limit=5_000),
    KlingModel("kling/v2-1-master-image-to-video", {5: 160, 10: 320}, prompt_limit=5_000),
    KlingModel(
        "kling-2.6/image-to-video",
        {5: 55, 10: 110},
        prompt_limit=1_000,
        image_field="image_urls",
        image_is_list=True,
        extra={"sound": False},
    ),
)

MODELS: Mapping[str, KlingModel] = {model.id: model for model in _ALL}


def kling_model(model_id: str) -> KlingModel:
    """The model of this id.

    Raises:
        InvalidRequest: it is not in the table.
    """
    try:
        return MODELS[model_id]
    except KeyError:
        raise InvalidRequest(f"model {model_id!r} is not one of {', '.join(MODELS)}") from None
