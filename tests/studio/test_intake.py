"""What a film has to pass before anything is spent on it."""

import io
from typing import Any, Literal

import pytest
from PIL import Image

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipRequest, MotionPrompt
from studio.contracts.film import Provider, VideoRequest
from studio.errors import BadStill
from studio.intake import STILL_BYTES, check_still, complaints
from studio.providers.kie_models import MODELS

GOOD = "Haunter floats down the corridor. Slow dolly forward."


def film(
    *prompts: str | MotionPrompt, key: str = "channels/poke1/projects/v/stills/a.png", **given: Any
) -> VideoRequest:
    still = MediaRef(key=key, sha256="0" * 64, mime="image/png")
    clips = [ClipRequest(number=n, still=still, prompt=prompt) for n, prompt in enumerate(prompts, start=1)]
    return VideoRequest(channel="poke1", video_id="vid_1", clips=clips, **given)


def test_a_good_film_has_no_complaints() -> None:
    assert list(complaints(film(GOOD, MotionPrompt(action="A cat wakes", camera="Slow orbit")))) == []


def test_everything_that_is_wrong_is_said_with_its_path() -> None:
    wrong = film(GOOD, "Slow pan left. A cat.", model="kling/v9", key="channels/poke2/projects/v/stills/a.png")
    said = list(complaints(wrong))
    assert [complaint.split(": ")[0] for complaint in said] == [
        "model",
        "clips.0.still.key",
        "clips.1.prompt",
        "clips.1.still.key",
    ]
    assert said[1] == "clips.0.still.key: channels/poke2/projects/v/stills/a.png lies outside channel poke1"


def test_a_channel_whose_name_begins_like_ours_is_another() -> None:
    assert "lies outside" in next(complaints(film(GOOD, key="channels/poke10/projects/v/stills/a.png")))


def test_the_local_renderer_has_no_model() -> None:
    assert list(complaints(film(GOOD, model="kling/v9", provider=Provider.ANIMATIC))) == []


@pytest.mark.parametrize("provider", [Provider.KLING, Provider.ANIMATIC])
def test_only_a_graph_is_told_the_words_of_a_style(provider: Provider) -> None:
    (said,) = complaints(film(GOOD, provider=provider, prompt_prefix="Ink drawing."))
    assert said == f"prompt_prefix: only a film with provider comfyui has it, this one's is {provider}"


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.id)
def test_a_prompt_is_as_long_as_its_model_takes(model: Any) -> None:
    limit = min(model.prompt_limit, 2_500)
    assert list(complaints(film("A" * limit, model=model.id))) == []
    if limit < 2_500:
        (said,) = complaints(film("A" * (limit + 1), model=model.id))
        assert said == f"clips.0.prompt: the prompt has {limit + 1} characters, {limit} are allowed"


# ── stills ───────────────────────────────────────────────────────────────


def picture(width: int = 192, height: int = 108, form: Literal["PNG", "JPEG", "WEBP", "GIF"] = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (40, 90, 160)).save(file, form)
    return file.getvalue()


def check(content: bytes) -> str:
    return check_still(content, width=1_920, height=1_080)


def complaint(content: bytes) -> str:
    with pytest.raises(BadStill) as bad:
        check(content)
    return str(bad.value)


def test_png_and_jpeg_are_known_by_their_content() -> None:
    assert check(picture()) == "image/png"
    assert check(picture(form="JPEG")) == "image/jpeg"


@pytest.mark.parametrize("content", [picture(form="WEBP"), picture(form="GIF"), b"<html>", b""], ids=len)
def test_anything_else_is_no_still(content: bytes) -> None:
    assert complaint(content)


def test_half_a_picture_is_no_still() -> None:
    noise = io.BytesIO()
    Image.effect_noise((192, 108), 80).convert("RGB").save(noise, "PNG")
    content = noise.getvalue()
    assert "cut off or damaged" in complaint(content[: len(content) // 2])


def test_a_still_is_as_large_as_kling_takes_and_no_larger() -> None:
    content = picture(form="JPEG")
    assert check(content + bytes(STILL_BYTES - len(content))) == "image/jpeg"
    too_large = content + bytes(STILL_BYTES + 1 - len(content))
    assert complaint(too_large) == "10,000,001 bytes; Kling takes at most 10,000,000"


@pytest.mark.parametrize("size", [(192, 108), (1_920, 1_080), (1_366, 768), (195, 108), (189, 108)], ids=str)
def test_a_still_of_the_films_shape_is_taken_at_any_size(size: tuple[int, int]) -> None:
    assert check(picture(*size)) == "image/png"


@pytest.mark.parametrize("size", [(108, 192), (100, 100), (197, 108), (188, 108), (160, 120)], ids=str)
def test_a_still_of_another_shape_is_refused(size: tuple[int, int]) -> None:
    """Kling's picture has the still's shape, whatever was ordered."""
    assert complaint(picture(*size)) == f"{size[0]}x{size[1]} has another shape than the film, 1920x1080"
