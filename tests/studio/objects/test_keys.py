"""Object keys: every one lies below its channel and its video, and nowhere else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId
from studio.contracts.project import SentenceId
from studio.errors import InvalidRequest
from studio.objects import keys

CLIP = ClipId(channel="poke1", video_id="vid_1", number=7)
SENTENCE = SentenceId(channel="poke1", project_id="story", sentence_id="s1")
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,100}", fullmatch=True)
SENTENCES = st.builds(SentenceId, channel=NAMES, project_id=NAMES, sentence_id=NAMES)
CLIPS = st.builds(ClipId, channel=NAMES, video_id=NAMES, number=st.integers(1, 500))


def fits(key: str) -> bool:
    """Would a `MediaRef` take this key?"""
    try:
        MediaRef(key=key, sha256="0" * 64, mime="video/mp4")
    except ValidationError:
        return False
    return True


def test_keys_are_what_they_always_were() -> None:
    """Videos of last year are found under these."""
    assert keys.still_key(CLIP, "image/png") == "channels/poke1/videos/vid_1/stills/clip_07.png"
    assert keys.still_key(CLIP, "image/jpeg") == "channels/poke1/videos/vid_1/stills/clip_07.jpg"
    assert keys.take_key("poke1", "ab" * 32) == f"channels/poke1/takes/{'ab' * 32}.mp4"
    assert keys.picture_key("poke1", "ab" * 32) == f"channels/poke1/takes/{'ab' * 32}.jpg"
    assert keys.clip_key(CLIP) == "channels/poke1/videos/vid_1/clips/clip_07.mp4"
    assert keys.rejected_key(CLIP, "9f0c") == "channels/poke1/videos/vid_1/rejected/clip_07_9f0c.mp4"
    assert keys.video_key("poke1", "vid_1") == "channels/poke1/videos/vid_1/vid_1.mp4"
    assert keys.sheet_key("poke1", "vid_1") == "channels/poke1/videos/vid_1/vid_1_sheet.png"
    assert keys.image_key(SENTENCE) == "channels/poke1/projects/story/images/s1.png"
    assert keys.sentence_clip_key(SENTENCE) == "channels/poke1/projects/story/clips/s1.mp4"
    assert keys.image_take_key("poke1", "ab" * 32) == f"channels/poke1/takes/{'ab' * 32}.png"
    assert keys.preview_key("poke1", "ab" * 32) == f"channels/poke1/previews/{'ab' * 32}.jpg"


@given(CLIPS, st.sampled_from(["image/png", "image/jpeg"]))
def test_every_key_of_a_video_lies_below_its_channel_and_project(clip: ClipId, mime: str) -> None:
    made = [
        keys.still_key(clip, mime),
        keys.clip_key(clip),
        keys.rejected_key(clip, "task"),
        keys.video_key(clip.channel, clip.video_id),
        keys.sheet_key(clip.channel, clip.video_id),
    ]
    assert len(set(made)) == len(made)
    for key in made:
        assert key.startswith(f"{keys.video_prefix(clip.channel, clip.video_id)}/")
        assert key.startswith(keys.channel_prefix(clip.channel))
        assert fits(key)


@given(SENTENCES)
def test_every_key_of_a_sentence_lies_below_its_channel_and_project(sentence: SentenceId) -> None:
    for key in (keys.image_key(sentence), keys.sentence_clip_key(sentence)):
        assert key.startswith(f"{keys.project_prefix(sentence.channel, sentence.project_id)}/")
        assert fits(key)


@given(NAMES, NAMES)
def test_no_key_of_one_channel_lies_below_another(one: str, other: str) -> None:
    assert keys.video_key(one, "vid_1").startswith(keys.channel_prefix(other)) == (one == other)


def test_a_channel_whose_name_begins_another_does_not_reach_into_it() -> None:
    assert not keys.clip_key(CLIP.model_copy(update={"channel": "poke10"})).startswith(keys.channel_prefix("poke1"))


@pytest.mark.parametrize("mime", ["image/webp", "image/gif", "video/mp4", "", "image/PNG"])
def test_only_png_and_jpeg_are_stills(mime: str) -> None:
    with pytest.raises(InvalidRequest, match="PNG or JPEG"):
        keys.still_key(CLIP, mime)


TASK_IDS = ["../../poke2/x", "a/b", "..", "a.b", "", "  ", "a\x00b", "task_kling_1767225600000", "x" * 500, "%2e%2e%2f"]


@pytest.mark.parametrize("task_id", TASK_IDS, ids=repr)
def test_a_task_id_of_any_shape_cannot_leave_the_folder_of_rejected_files(task_id: str) -> None:
    key = keys.rejected_key(CLIP, task_id)
    assert re.fullmatch(r"channels/poke1/videos/vid_1/rejected/clip_07_[A-Za-z0-9_-]{0,80}\.mp4", key)
    assert fits(key)


@given(st.text(st.characters(max_codepoint=127)))
def test_a_task_id_in_ascii_always_makes_a_key(task_id: str) -> None:
    assert fits(keys.rejected_key(CLIP, task_id))


def test_a_task_id_in_any_script_makes_a_key() -> None:
    assert fits(keys.rejected_key(CLIP, "tâche-7"))


@pytest.mark.parametrize(
    "key",
    [
        "/etc/passwd",
        "channels/poke1/../poke2/x",
        "..",
        "channels//x",
        "channels/poke1/.hidden",
        "a/./b",
        "a b",
        "a/",
        "a\n",
        "",
    ],
)
def test_a_reference_cannot_name_a_place_outside(key: str) -> None:
    assert not fits(key)
