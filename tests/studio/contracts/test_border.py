"""What callers of any language write, as the contracts take it: `VideoRequest` stands for all."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from studio.contracts.base import Contract
from studio.contracts.complaint import MOST_PROBLEMS, complaint, unknown_fields
from studio.contracts.video import VideoRequest

STILL = {"key": "channels/demo/videos/f1/stills/clip_01.png", "sha256": "0" * 64, "mime": "image/png"}
CLIP = {"number": 1, "still": STILL, "prompt": "Waves roll onto the beach. Slow pan right.", "seconds": 5}
REQUEST: dict[str, Any] = {"channel": "demo", "video_id": "f1", "provider": "animatic", "clips": [CLIP]}


def _clip(**fields: Any) -> dict[str, Any]:
    return {"clips": [CLIP | fields]}


def _read(change: Any) -> VideoRequest:
    whole = REQUEST | change if isinstance(change, dict) else change
    return VideoRequest.model_validate_json(TypeAdapter(Any).dump_json(whole))


TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # null for what is not said: Java, C#, PHP, Go pointers
    (dict.fromkeys(name for name in VideoRequest.model_fields if name not in REQUEST), {}),
    ({"provider": None}, {"provider": "kling"}),
    (_clip(seconds=None, camera=None, strength=None, variant=None, take=None), {}),
    (_clip(seconds=5.0), {}),
    (_clip(seconds="5"), {}),
    (_clip(number="1"), {}),
    (_clip(number=1.0), {}),
    ({"budget_usd": "5.00"}, {"budget_usd": Decimal(5)}),
    ({"budget_usd": 0.30000000000000004}, {"budget_usd": Decimal("0.3")}),
    ({"budget_usd": 1.1 * 3}, {"budget_usd": Decimal("3.3")}),
    ({"budget_usd": 5}, {"budget_usd": Decimal(5)}),
    ({"provider": "comfyui", "model": ""}, {"provider": "comfyui", "model": "wan22_i2v"}),
]


def test_what_other_languages_write_for_the_same_is_the_same() -> None:
    plain = VideoRequest.model_validate(REQUEST)
    read = [(change, _read(change), plain.model_copy(update=fields)) for change, fields in TAKEN]
    assert [(change, got) for change, got, wanted in read if got != wanted or unknown_fields(got)] == []


SHA = "must be 64 hexadecimal digits in lower case"
REFUSED: list[tuple[Any, str]] = [
    ({"provider": "KLING"}, 'provider: must be kling, comfyui or animatic, not "KLING"'),
    ({"provider": "PROVIDER_KLING"}, 'provider: must be kling, comfyui or animatic, not "PROVIDER_KLING"'),
    (_clip(seconds=7), "clips.0.seconds: must be 5 or 10, not 7"),
    (_clip(seconds=5.5), "clips.0.seconds: must be 5 or 10, not 5.5"),
    (_clip(seconds=True), "clips.0.seconds: must be 5 or 10, not true"),
    (_clip(number="one"), 'clips.0.number: must be a whole number, not "one"'),
    (_clip(number=0), "clips: clips.0.number is 0, its place in the video is 1: clips are numbered from 1"),
    (_clip(number=2), "request: clips.0.number is 2, its place in the video is 1"),
    ({"budget_usd": -1}, "budget_usd: must be at least 0, not -1"),
    ({"budget_usd": 1e12}, "budget_usd: is too large: 1000000000000.0"),
    ({"budget_usd": 10**40}, f"budget_usd: is too large: {10**40}"),
    ({"budget_usd": "many"}, 'budget_usd: must be an amount such as 1.50, not "many"'),
    ({"budget_usd": "NaN"}, 'budget_usd: must be a finite number, not "NaN"'),
    ({"budget_usd": 0.1234567}, "budget_usd: must have at most 6 decimal places, not 0.1234567"),
    (_clip(still=STILL | {"sha256": "AB" * 32}), f'clips.0.still.sha256: {SHA}, not "{"AB" * 30}…"'),
    (_clip(still=STILL | {"key": "channels/demo/../other/x.png"}), "clips.0.still.key: must be a path in the object"),
    (_clip(still="channels/demo/x.png"), 'clips.0.still: must be an object, not "channels/demo/x.png"'),
    (_clip(prompt=5), "clips.0.prompt: must be a text, not 5, or must be an object, not 5"),
    (_clip(prompt="a" * 2_501), "clips.0.prompt: has 2,501 characters, at most 2,500 are allowed"),
    (_clip(prompt={"action": ""}), "clips.0.prompt.action: is empty"),
    (_clip(prompt={"action": 1}), "clips.0.prompt.action: must be a text, not 1"),
    (_clip(prompt=" "), "clips.0.prompt: is empty"),
    ({"clips": {"1": CLIP}}, "clips: must be a list, not an object"),
    ({"clips": []}, "clips: is empty"),
    ({"clips": None}, "clips: is missing"),
    ({"model": ""}, "model: is empty"),
    ({"notion_page": "my page"}, "notion_page: must be the id of a Notion page: 32 hexadecimal digits"),
    ({"video_id": None, "videoId": "f1"}, "video_id: is missing (videoId is unknown; did you mean video_id?)"),
    ({"video_id": "a b"}, 'video_id: must have 1 to 100 letters (A-Z, a-z), digits, - or _, not "a b"'),
    ({"width": 1_921}, "width: must be a multiple of 2, not 1921"),
    ({"fast": "perhaps"}, 'fast: must be true or false, not "perhaps"'),
    ([REQUEST], "request: must be an object, not a list"),
    (None, "request: must be an object, not null"),
    ('{"channel": "demo"}', 'request: must be an object, not "{"channel": "demo"}" (it is JSON inside a text'),
]


def _refusal(change: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        _read(change)
    return complaint(refused.value)


def test_what_cannot_be_meant_is_refused_in_one_plain_line() -> None:
    said = [(_refusal(change), wanted) for change, wanted in REFUSED]
    assert [(got, wanted) for got, wanted in said if not got.startswith(wanted) or "\n" in got] == []
    assert [got for got, _ in said if "Input should" in got or "pydantic" in got or "type=" in got] == []


def test_the_zero_values_of_go_are_refused_with_a_line_for_each_and_never_half_taken() -> None:
    zeros = _clip(seconds=0, camera="", strength=0, variant=0, take="") | {
        name: 0 if name in ("width", "height", "priority", "budget_usd") else ""
        for name in ("title", "model", "width", "height", "priority", "budget_usd", "notion_page")
    }
    assert [line.split(":")[0] for line in _refusal(zeros).splitlines()] == [
        "clips.0.seconds",
        "clips.0.camera",
        "clips.0.variant",
        "clips.0.take",
        "model",
        "width",
        "height",
        "priority",
        "notion_page",
    ]


def test_unknown_fields_are_taken_but_remembered_with_the_name_that_was_meant() -> None:
    """Older code reads newer data; who starts a workflow hears of a slip."""
    change = {
        "budgetUsd": 5,
        "BUDGET-USD": 5,
        "zebra": 1,
        **_clip(secnds=10, still=STILL | {"SHA256": "x"}, prompt={"action": "A cat.", "sequnce": ""}),
    }
    read = _read(change)
    assert read.budget_usd is None
    assert unknown_fields(read) == [
        "budgetUsd is unknown; did you mean budget_usd?",
        "BUDGET-USD is unknown; did you mean budget_usd?",
        "zebra is unknown",
        "clips.0.secnds is unknown; did you mean seconds?",
        "clips.0.still.SHA256 is unknown; did you mean sha256?",
        "clips.0.prompt.sequnce is unknown; did you mean sequence?",
    ]
    assert read == _read(_clip(prompt={"action": "A cat."}))


def test_a_null_that_means_something_stays() -> None:
    class Choice(Contract):
        one: int | None = 1
        two: int = 2

    assert Choice.model_validate({"one": None, "two": None}) == Choice(one=None, two=2)


def test_a_flood_of_problems_is_counted_and_not_written_down() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(list[VideoRequest]).validate_json(b"[" + b'"x",' * MOST_PROBLEMS + b'"x"]')
    assert complaint(refused.value, root="input") == (
        f"input: {MOST_PROBLEMS + 1:,} problems; it is probably something else"
    )
