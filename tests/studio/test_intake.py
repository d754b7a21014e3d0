"""What a video has to pass before anything is spent on it."""

from typing import Any

import pytest

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipRequest, MotionPrompt
from studio.contracts.video import Provider, VideoRequest
from studio.intake import complaints
from studio.providers.kie_models import MODELS

GOOD = "Haunter floats down the corridor. Slow dolly forward."


def video(
    *prompts: str | MotionPrompt, key: str = "channels/poke1/videos/v/stills/a.png", **given: Any
) -> VideoRequest:
    still = MediaRef(key=key, sha256="0" * 64, mime="image/png")
    clips = [ClipRequest(number=n, still=still, prompt=prompt) for n, prompt in enumerate(prompts, start=1)]
    return VideoRequest(channel="poke1", video_id="vid_1", clips=clips, **given)


def test_a_good_video_has_no_complaints() -> None:
    assert list(complaints(video(GOOD, MotionPrompt(action="A cat wakes", camera="Slow orbit")))) == []


def test_everything_that_is_wrong_is_said_with_its_path() -> None:
    wrong = video(GOOD, "Slow pan left. A cat.", model="kling/v9", key="channels/poke2/videos/v/stills/a.png")
    said = list(complaints(wrong))
    assert [complaint.split(": ")[0] for complaint in said] == [
        "model",
        "clips.0.still.key",
        "clips.1.prompt",
        "clips.1.still.key",
    ]
    assert said[1] == "clips.0.still.key: channels/poke2/videos/v/stills/a.png lies outside channel poke1"


def test_a_channel_whose_name_begins_like_ours_is_another() -> None:
    assert "lies outside" in next(complaints(video(GOOD, key="channels/poke10/videos/v/stills/a.png")))


def test_the_local_renderer_has_no_model() -> None:
    assert list(complaints(video(GOOD, model="kling/v9", provider=Provider.ANIMATIC))) == []


@pytest.mark.parametrize("provider", [Provider.KLING, Provider.ANIMATIC])
def test_only_a_graph_is_told_the_words_of_a_style(provider: Provider) -> None:
    (said,) = complaints(video(GOOD, provider=provider, prompt_prefix="Ink drawing."))
    assert said == f"prompt_prefix: only a video with provider comfyui has it, this one's is {provider}"


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.id)
def test_a_prompt_is_as_long_as_its_model_takes(model: Any) -> None:
    limit = min(model.prompt_limit, 2_500)
    assert list(complaints(video("A" * limit, model=model.id))) == []
    if limit < 2_500:
        (said,) = complaints(video("A" * (limit + 1), model=model.id))
        assert said == f"clips.0.prompt: the prompt has {limit + 1} characters, {limit} are allowed"
