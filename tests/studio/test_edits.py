"""Which choices stay when a video is asked for anew."""

from typing import Any

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove, ClipRequest
from studio.contracts.video import Provider, VideoRequest
from studio.edits import change_clip, keep_choices
from studio.takes import parts_of

CHOSEN = "cd" * 32


def clip(number: int, still: str = "", **fields: Any) -> ClipRequest:
    key = f"channels/poke1/videos/vid_1/stills/clip_{number:02d}{still}.png"
    digest = still or f"{number:02d}"
    fields = {"prompt": f"Boat {number} leaves."} | fields
    return ClipRequest(number=number, still=MediaRef(key=key, sha256=digest * 32, mime="image/png"), **fields)


def video(*clips: ClipRequest, **fields: Any) -> VideoRequest:
    return VideoRequest(channel="poke1", video_id="vid_1", clips=list(clips), **fields)


BEFORE = video(clip(1, variant=3), clip(2, take=CHOSEN, variant=2), clip(3))


def kept(asked: VideoRequest, fixed: frozenset[int] = frozenset()) -> list[tuple[int, str | None]]:
    clips = keep_choices(asked, BEFORE, fixed)[0].clips
    return [(one.variant, one.take) for one in clips]


def test_a_video_that_is_asked_for_again_as_it_was_keeps_everything() -> None:
    asked = video(clip(1), clip(2), clip(3))
    assert keep_choices(asked, BEFORE) == (BEFORE, [])


def test_a_clip_whose_inputs_changed_begins_anew() -> None:
    changes: list[dict[str, Any]] = [
        {"prompt": "Another."},
        {"seconds": 10},
        {"still": "ee"},
        {"camera": CameraMove.ORBIT},
        {"strength": 0.7},
    ]
    for change in changes:
        asked = video(clip(1), clip(2, **change), clip(3))
        again, changed = keep_choices(asked, BEFORE)
        assert changed == [2], change
        assert (again.clips[0].variant, again.clips[1]) == (3, asked.clips[1])


def test_another_model_is_another_video() -> None:
    assert keep_choices(video(clip(1), clip(2), clip(3), model="kling/v2-1-pro"), BEFORE)[1] == [1, 2, 3]


def test_a_still_that_only_lies_elsewhere_changes_nothing() -> None:
    moved = clip(2, still="02").model_copy(update={"number": 2})
    assert keep_choices(video(clip(1), moved, clip(3)), BEFORE)[1] == []


def test_clips_that_moved_take_their_choices_along() -> None:
    shifted = [clip(n - 1).model_copy(update={"number": n}) for n in (2, 3, 4)]
    asked = video(clip(1, prompt="A prologue."), *shifted)
    again, changed = keep_choices(asked, BEFORE)
    assert changed == [1]
    assert [(one.variant, one.take) for one in again.clips] == [(1, None), (3, None), (2, CHOSEN), (1, None)]


def test_of_clips_with_the_same_inputs_each_keeps_its_own() -> None:
    twin = {"still": "ee", "prompt": "The same."}
    before = video(clip(1, **twin), clip(2, **twin, variant=2))
    again, changed = keep_choices(video(clip(1, **twin), clip(2, **twin)), before)
    assert ([one.variant for one in again.clips], changed) == ([1, 2], [])


def test_a_variant_that_stands_in_the_file_counts_more() -> None:
    asked = video(clip(1, variant=4), clip(2, variant=2), clip(3))
    assert kept(asked, frozenset({1, 2})) == [(4, None), (2, CHOSEN), (1, None)]
    assert keep_choices(asked, BEFORE, {1, 2})[1] == [1]


def test_a_new_video_has_changed_in_every_clip() -> None:
    asked = video(clip(1), clip(2))
    assert keep_choices(asked, None) == (asked, [1, 2])


INK: dict[str, Any] = {"provider": Provider.COMFYUI, "model": "wan22_i2v", "width": 640, "height": 640}


def test_another_prompt_keeps_the_words_of_the_videos_style() -> None:
    before = video(clip(1), clip(2), **INK, prompt_prefix="Ink drawing")
    changed = change_clip(before, 2, prompt="A gull lands. Slow orbit.")
    assert [parts_of(changed, one).prompt for one in changed.clips] == [
        "Ink drawing, Boat 1 leaves.",
        "Ink drawing, A gull lands. Slow orbit.",
    ]


def test_choices_made_when_a_styles_words_stood_in_the_prompts_stay() -> None:
    before = video(clip(1, prompt="Ink drawing, Boat 1 leaves.", take=CHOSEN, variant=2), **INK)
    again, changed = keep_choices(video(clip(1), **INK, prompt_prefix="Ink drawing"), before)
    assert (again.clips[0].take, again.clips[0].variant, changed) == (CHOSEN, 2, [])


def test_other_words_of_a_style_are_other_inputs() -> None:
    before = video(clip(1), clip(2), **INK, prompt_prefix="Ink drawing")
    assert keep_choices(video(clip(1), clip(2), **INK, prompt_prefix="Oil painting"), before)[1] == [1, 2]
