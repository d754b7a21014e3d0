"""What names a take: everything its maker is told, and nothing else."""

from typing import Any

import pytest

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove, ClipRequest
from studio.contracts.film import Provider, VideoRequest
from studio.contracts.take import TakeParts
from studio.takes import TAKE_FORMAT, digest_of_take, parts_of, takes_of

STILL = MediaRef(key="channels/poke1/projects/vid_1/stills/clip_01.png", sha256="ab" * 32, mime="image/png")
KLING = TakeParts(
    provider=Provider.KLING,
    model="kling/v2-5-turbo-image-to-video-pro",
    prompt="Pokémon floats down the corridor. Slow dolly forward.",
    still=STILL,
    seconds=5,
    width=1_920,
    height=1_080,
    camera=CameraMove.ZOOM_IN,
    strength=0.5,
)
DRAWN = KLING.model_copy(update={"provider": Provider.ANIMATIC, "model": "animatic-1"})
GOLDEN = "33e8014ff7703936a8ad2eebac374611f439e67fc5f526b7e0bb881196a9968d"
OTHER: dict[str, Any] = {
    "provider": Provider.ANIMATIC,
    "model": "another",
    "prompt": "Pokemon floats down the corridor. Slow dolly forward.",
    "still": STILL.model_copy(update={"sha256": "ab" * 31 + "ac"}),
    "seconds": 10,
    "width": 1_280,
    "height": 720,
    "camera": CameraMove.ORBIT,
    "strength": 0.6,
    "variant": 2,
}


def changed(parts: TakeParts, part: str) -> TakeParts:
    return parts.model_copy(update={part: OTHER[part]})


def test_a_take_has_the_digest_it_always_had() -> None:
    """When this fails, clips that were paid for are not found again. Change TAKE_FORMAT only on purpose."""
    assert TAKE_FORMAT == "take-2"
    assert digest_of_take(KLING) == GOLDEN


def test_every_part_is_tried_below() -> None:
    assert TakeParts.model_fields.keys() == OTHER.keys()


@pytest.mark.parametrize("part", sorted(OTHER.keys() - {"camera", "strength"}))
def test_what_kling_is_told_counts(part: str) -> None:
    assert digest_of_take(changed(KLING, part)) != digest_of_take(KLING)


@pytest.mark.parametrize("part", sorted(OTHER.keys() - {"prompt", "provider"}))
def test_what_the_local_renderer_is_told_counts(part: str) -> None:
    assert digest_of_take(changed(DRAWN, part)) != digest_of_take(DRAWN)


def test_what_a_maker_is_not_told_does_not_count() -> None:
    assert {digest_of_take(changed(KLING, part)) for part in ("camera", "strength")} == {digest_of_take(KLING)}
    assert digest_of_take(changed(DRAWN, "prompt")) == digest_of_take(DRAWN)


def test_where_a_still_lies_does_not_count() -> None:
    elsewhere = KLING.model_copy(update={"still": STILL.model_copy(update={"key": "channels/poke1/other.png"})})
    assert digest_of_take(elsewhere) == digest_of_take(KLING)


def test_a_chosen_take_stands_whatever_the_clip_says() -> None:
    clips = [
        ClipRequest(number=1, still=STILL, prompt="Rain falls. Slow pan left."),
        ClipRequest(number=2, still=STILL, prompt="Rain falls. Slow pan left.", take="cd" * 32),
    ]
    film = VideoRequest(channel="poke1", video_id="vid_1", clips=clips)
    (own, parts), chosen = takes_of(film)
    assert parts is not None
    assert own == digest_of_take(parts_of(film, clips[0]))
    assert parts.camera is CameraMove.PAN_LEFT
    assert chosen == ("cd" * 32, None)
